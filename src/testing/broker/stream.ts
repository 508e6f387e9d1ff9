import type { ErrorData } from '../../protocol/errors.js';
import { COMMIT_BATCH_BYTES } from '../../protocol/limits/shards.js';
import { DEDUPE_WINDOW_MS } from '../../protocol/limits/store.js';
import { identityOf } from '../../record/event-identity.js';
import { EventRecordView } from '../../record/event-record.js';
import type {
  AppendedEntries,
  NewEntry,
  StreamEntry,
  StreamState,
} from '../../store/shared/log-stream.js';
import { TopicBook } from '../../store/shared/topic-book.js';
import { elapsedMs } from '../../threads/elapsed.js';

interface KnownId {
  readonly sequence: number;
  /** The `elapsedMs` at which the event was stored. */
  readonly atMs: number;
}

/** One shard's events in the order that all nodes see, kept by the broker. */
export class Stream {
  /** The entry of sequence `n` is at `n - 1`. */
  readonly entries: StreamEntry[] = [];
  readonly dedupeWindowMs: number;
  readonly #eventsMax: number;
  readonly #topics = new TopicBook();
  /**
   * In the order in which they came. Includes ids that the bus made, because the successor of a dead thread appends
   * events again that may be stored.
   */
  readonly #ids = new Map<string, KnownId>();
  readonly #view = new EventRecordView();

  constructor(eventsMax = Number.POSITIVE_INFINITY, dedupeWindowMs = DEDUPE_WINDOW_MS) {
    this.#eventsMax = eventsMax;
    this.dedupeWindowMs = dedupeWindowMs;
  }

  get head(): number {
    return this.entries.length;
  }

  get state(): StreamState {
    const { head, lastRecordedAt, dedupeWindowMs } = this;
    const topics = this.#topics.all;
    return { head, lastRecordedAt, topics, dedupeWindowMs, prunedThrough: 0 };
  }

  get lastRecordedAt(): number {
    return this.entries.at(-1)?.recordedAt ?? 0;
  }

  /** See `HistoryStream.fetch`. */
  fetch(after: number, until: number, limit = Number.POSITIVE_INFINITY): readonly StreamEntry[] {
    const wanted = this.entries.slice(after, Math.min(until, after + limit));
    let bytes = 0;
    const end = wanted.findIndex((entry, index) => {
      bytes += entry.bytes.length;
      return index > 0 && bytes > COMMIT_BATCH_BYTES;
    });
    return end < 0 ? wanted : wanted.slice(0, end);
  }

  /** Stores all new events of a batch, or none of them if there is no room for all. */
  append(events: readonly Omit<NewEntry, 'terms'>[]): AppendedEntries {
    this.#forgetIds(elapsedMs() - this.dedupeWindowMs);
    const keys = events.map(({ bytes }) => identityOf(this.#viewOf(bytes)));
    const added = new Set(keys.filter((key) => !this.#ids.has(key)));
    const isFull = added.size > 0 && this.head + added.size > this.#eventsMax;
    const sequences: number[] = [];
    const repeats: boolean[] = [];
    for (const [index, key] of keys.entries()) {
      const known = this.#ids.get(key)?.sequence;
      sequences.push(known ?? (isFull ? 0 : this.#store(events[index]!, key)));
      repeats.push(known !== undefined);
    }
    return isFull ? { sequences, repeats, refusal: this.#full() } : { sequences, repeats };
  }

  #full(): ErrorData {
    const message = `the broker keeps ${this.#eventsMax} events of a shard`;
    return { code: 'STORE_FULL', message };
  }

  #store({ recordedAt, bytes }: Omit<NewEntry, 'terms'>, key: string): number {
    const sequence = this.head + 1;
    const time = Math.max(recordedAt, this.lastRecordedAt);
    this.entries.push({ sequence, recordedAt: time, bytes });
    this.#ids.set(key, { sequence, atMs: elapsedMs() });
    this.#topics.note(this.#viewOf(bytes).topic, sequence, time);
    return sequence;
  }

  #viewOf(bytes: Uint8Array): EventRecordView {
    return this.#view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  }

  #forgetIds(before: number): void {
    for (const [key, { atMs }] of this.#ids) {
      if (atMs >= before) return;
      this.#ids.delete(key);
    }
  }
}
