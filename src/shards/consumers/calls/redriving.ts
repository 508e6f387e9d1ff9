/** Opens dead events of consumers again. Only the shard's loop touches this. */
import type {
  ConsumerRedriveAnswer,
  ConsumerRedriveRequest,
  DeadEntry,
} from '../../../link/consumer-shapes.js';
import { EventRecordView } from '../../../record/event-record.js';
import {
  REDRIVEN,
  type ShardConsumers,
  type StoredDeadEvent,
} from '../../../store/consumer-states.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from '../reading/event-finder.js';
import { bounded, type DeadEntries } from './dead-entries.js';

/** `not`: it is not dead, or its event is lost. `busy`: not now. */
type Outcome = 'redriven' | 'not' | 'busy';

export class Redriving {
  readonly #store: ShardConsumers;
  readonly #events: EventFinder;
  readonly #entries: DeadEntries;
  readonly #view = new EventRecordView();

  constructor(store: ShardConsumers, events: EventFinder, entries: DeadEntries) {
    this.#store = store;
    this.#events = events;
    this.#entries = entries;
  }

  redrive(consumer: DeskConsumer, request: ConsumerRedriveRequest): ConsumerRedriveAnswer {
    const { isDry, sequences } = request;
    const { rows, next } = this.#rowsOf(consumer, request);
    const redriven: DeadEntry[] = [];
    let last = request.after;
    for (const row of rows) {
      const outcome = this.#redrive(consumer, row, isDry, sequences !== null);
      if (outcome === 'busy') return { redriven, next: last, isBusy: true };
      if (outcome === 'redriven') redriven.push(this.#entries.entryOf(row));
      last = row.sequence;
    }
    return { redriven, next, isBusy: false };
  }

  #rowsOf(
    { id }: DeskConsumer,
    { sequences, after, limit }: ConsumerRedriveRequest,
  ): { rows: readonly StoredDeadEvent[]; next: number | null } {
    if (sequences === null) {
      const rows = this.#store.dead(id, after, bounded(limit));
      return { rows, next: rows.at(-1)?.sequence ?? null };
    }
    const behind = sequences.filter((sequence) => sequence > after).sort((a, b) => a - b);
    const some = behind.slice(0, bounded(limit));
    const rows = some.map((sequence) => this.#entries.row(id, sequence));
    const next = behind.length > some.length ? some.at(-1)! : null;
    return { rows: rows.filter((row) => row !== undefined), next };
  }

  /** @param isNamed the caller names the events: one that was redriven before counts, so that a call can be repeated */
  #redrive(
    consumer: DeskConsumer,
    { sequence }: StoredDeadEvent,
    isDry: boolean,
    isNamed: boolean,
  ): Outcome {
    const { machine, dead } = consumer;
    const state = dead.stateOf(sequence);
    if (state === undefined) return 'not';
    if (state === REDRIVEN) return isNamed && machine.isOpen(sequence) ? 'redriven' : 'not';
    const found = this.#events.find(sequence, consumer.id);
    if (found === undefined || machine.isOpen(sequence)) return 'not';
    const view = this.#view.wrap(found.bytes, found.offset);
    const lane = consumer.laneOf(view.topic);
    if (sequence > machine.lane(lane).position) return 'not';
    if (isDry) return 'redriven';
    if (machine.redrive(lane, sequence, consumer.keyOf(view)) !== 'redriven') return 'busy';
    dead.redriven(sequence);
    return 'redriven';
  }
}
