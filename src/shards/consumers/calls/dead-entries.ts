/** The dead events of consumers for those who ask. Only the shard's loop touches this. */
import type {
  ConsumerFindDeadAnswer,
  ConsumerFindDeadRequest,
  ConsumerPageRequest,
  DeadEntriesPage,
  DeadEntry,
} from '../../../link/consumer-shapes.js';
import type { DeadCause } from '../../../protocol/consumers.js';
import { CONSUMER_ENTRIES_PER_ANSWER } from '../../../protocol/limits/consumers.js';
import { EventRecordView } from '../../../record/event-record.js';
import {
  LETTER_DUE,
  LETTER_SENT,
  REDRIVEN,
  type ShardConsumers,
  type StoredDeadEvent,
} from '../../../store/consumer-states.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from '../reading/event-finder.js';

export class DeadEntries {
  readonly #store: ShardConsumers;
  readonly #events: EventFinder;
  readonly #view = new EventRecordView();

  constructor(store: ShardConsumers, events: EventFinder) {
    this.#store = store;
    this.#events = events;
  }

  page(consumer: DeskConsumer, { after, limit }: ConsumerPageRequest): DeadEntriesPage {
    const rows = this.#store.dead(consumer.id, after, bounded(limit));
    return { events: this.#entries(consumer, rows), next: rows.at(-1)?.sequence ?? null };
  }

  find(consumer: DeskConsumer, { ids, after }: ConsumerFindDeadRequest): ConsumerFindDeadAnswer {
    const wanted = new Set(ids);
    const page = this.page(consumer, { consumer: consumer.id, after, limit: bounded() });
    return { found: page.events.filter(({ id }) => wanted.has(id)), next: page.next };
  }

  /** One of them; undefined if the event is not dead, or is open again. */
  one(consumer: DeskConsumer, sequence: number): DeadEntry | undefined {
    const row = this.row(consumer.id, sequence);
    return row && consumer.dead.isDead(sequence) ? this.entryOf(row) : undefined;
  }

  row(consumer: string, sequence: number): StoredDeadEvent | undefined {
    return this.#store.deadAt(consumer, sequence);
  }

  entryOf(row: StoredDeadEvent): DeadEntry {
    const { consumer, sequence, diedAt, attempts, cause, reason, state } = row;
    const found = this.#events.find(sequence, consumer);
    const view = found && this.#view.wrap(found.bytes, found.offset);
    const letter = state === LETTER_DUE ? 'due' : state === LETTER_SENT ? 'published' : 'kept';
    return {
      id: view?.id ?? '',
      sequence,
      topic: view?.topic ?? '',
      diedAt,
      attempts,
      cause: cause as DeadCause,
      reason,
      letter,
    };
  }

  #entries(consumer: DeskConsumer, rows: readonly StoredDeadEvent[]): DeadEntry[] {
    const dead = rows.filter(
      ({ sequence, state }) => state !== REDRIVEN && consumer.dead.isDead(sequence),
    );
    return dead.map((row) => this.entryOf(row));
  }
}

export function bounded(limit: number = CONSUMER_ENTRIES_PER_ANSWER): number {
  return Math.max(1, Math.min(limit, CONSUMER_ENTRIES_PER_ANSWER));
}
