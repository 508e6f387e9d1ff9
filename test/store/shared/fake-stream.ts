import { matchesPattern } from '../../../src/protocol/topic.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import type { AppendRefusal } from '../../../src/store/shard-log.js';
import type {
  AppendedEntries,
  LogStream,
  NewEntry,
  StreamEntry,
  StreamFollower,
  StreamState,
} from '../../../src/store/shared/log-stream.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import type { HistoryStream } from '../../../src/store/shared/stream-history.js';
import { Stream } from '../../../src/testing/broker/stream.js';
import { record, type TestEvent } from '../records.js';

const view = new EventRecordView();

/** A stream in the thread of the test, which says when the log hears of anything. */
export class FakeStream implements LogStream {
  readonly judges = { expect: true, groups: false };
  readonly stream = new Stream();
  prunedThrough = 0;
  otherHistory: string | undefined;
  isClosed = false;
  /** Its broker finds events by their topics. */
  isFiltering = false;
  /** What the last batch was appended with. */
  appended: readonly NewEntry[] = [];
  /** Refusals of the next batch. */
  refused: ReadonlyMap<number, AppendRefusal> = new Map();
  /** The names of the topics that the log has asked for. */
  readonly asked: string[] = [];
  follower!: StreamFollower;
  readonly #gone = new Set<number>();

  async join(_least: number, _isFirst: boolean, follower: StreamFollower): Promise<StreamState> {
    this.follower = follower;
    const { prunedThrough, otherHistory } = this;
    const shown = otherHistory === undefined ? {} : { otherHistory };
    return { ...this.stream.state, prunedThrough, ...shown };
  }

  async append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    this.appended = events;
    return { ...this.stream.append(events), refused: this.refused };
  }

  async fetch(
    after: number,
    until: number,
    limit = 3,
    topics: readonly string[] = ['*'],
  ): Promise<StreamEntry[]> {
    return this.stream.entries
      .filter(({ sequence }) => sequence > after && sequence <= until && this.#has(sequence))
      .filter(({ bytes }) => matchesPattern(topics[0]!, view.wrap(Buffer.from(bytes), 0).topic))
      .slice(0, limit);
  }

  get history(): HistoryStream {
    return {
      bounds: async () => ({ head: this.stream.head, prunedThrough: this.prunedThrough }),
      fetch: (_shard, after, until, limit = 3, topics) => this.fetch(after, until, limit, topics),
      filters: () => this.isFiltering,
      hasHoles: this.isFiltering,
      close: () => {},
    };
  }

  async topics(names: readonly string[]) {
    this.asked.push(...names);
    return names.map((name) => ({ ...this.stream.state.topics[0]!, name, events: 77 }));
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** Stores events as another node does. */
  store(...events: TestEvent[]): void {
    for (const event of events) {
      const bytes = record(event);
      const recordedAt = event.timestamp ?? 1;
      this.stream.append([{ recordedAt, bytes: seal(bytes, 0, bytes.length) }]);
    }
  }

  /** Tells the log of the events from `from` on. */
  tell(from: number): void {
    this.follower.onEntries(this.stream.entries.slice(from - 1));
  }

  /** Changes a bit of a stored event. */
  damage(sequence: number): void {
    this.stream.entries[sequence - 1]!.bytes[40]! ^= 1;
  }

  /** Removes one event. */
  remove(sequence: number): void {
    this.#gone.add(sequence);
  }

  #has(sequence: number): boolean {
    return sequence > this.prunedThrough && !this.#gone.has(sequence);
  }
}
