import { BusError } from '../../protocol/errors.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordView,
} from '../../record/event-record.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { Appended, Entry, Joined, NewEvent } from './messages.js';
import { TopicBook } from './topic-book.js';

interface KnownId {
  readonly sequence: number;
  /** By the clock of `elapsedMs`. */
  readonly atMs: number;
}

/** One shard's events in the order that all nodes see, kept by the broker. */
export class Stream {
  /** The entry of sequence `n` is at `n - 1`. */
  readonly entries: Entry[] = [];
  readonly #eventsMax: number;
  readonly #topics = new TopicBook();
  /** In the order in which they came. */
  readonly #ids = new Map<string, KnownId>();
  readonly #view = new EventRecordView();

  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
  }

  get head(): number {
    return this.entries.length;
  }

  get joined(): Joined {
    const { head, lastRecordedAt } = this;
    return { head, lastRecordedAt, topics: this.#topics.all };
  }

  get lastRecordedAt(): number {
    return this.entries.at(-1)?.recordedAt ?? 0;
  }

  /** All events of a batch or none. @throws BusError `STORE_FULL` */
  append(events: readonly NewEvent[], windowMs: number): Appended {
    if (this.head + events.length > this.#eventsMax) {
      throw new BusError('STORE_FULL', `the broker keeps ${this.#eventsMax} events of a shard`);
    }
    this.#forgetIds(elapsedMs() - windowMs);
    const sequences: number[] = [];
    const repeats: boolean[] = [];
    for (const event of events) {
      const key = this.#keyOf(event.bytes);
      const known = this.#ids.get(key);
      sequences.push(known?.sequence ?? this.#store(event, key));
      repeats.push(known !== undefined);
    }
    return { sequences, repeats };
  }

  #store({ recordedAt, bytes }: NewEvent, key: string): number {
    const sequence = this.head + 1;
    const time = Math.max(recordedAt, this.lastRecordedAt);
    this.entries.push({ sequence, recordedAt: time, bytes });
    this.#ids.set(key, { sequence, atMs: elapsedMs() });
    this.#topics.note(this.#view.topic, sequence, time);
    return sequence;
  }

  /** Ids that the bus made are compared too: the thread after a dead one appends again what may be stored. */
  #keyOf(bytes: Uint8Array): string {
    const view = this.#view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
    const { flags, topic, id } = view;
    const isOfSource = (flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
    const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    return JSON.stringify([isSupplied, isOfSource ? view.source : null, topic, id]);
  }

  #forgetIds(before: number): void {
    for (const [key, { atMs }] of this.#ids) {
      if (atMs >= before) return;
      this.#ids.delete(key);
    }
  }
}
