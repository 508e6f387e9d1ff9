import { DEDUPE_WINDOW_MS } from '../../src/protocol/limits/store.js';
import { EventRecordView } from '../../src/record/event-record.js';
import {
  type AppendRefusal,
  type AppendTerms,
  type CommittedBatch,
  type JudgedTerms,
  type LogFollower,
  NOT_AT_HAND,
  type ReadRequest,
  type ShardLog,
  type TopicSummary,
  type TopicTotals,
} from '../../src/store/shard-log.js';
import type { NewEntry } from '../../src/store/shared/log-stream.js';
import { TopicBook } from '../../src/store/shared/topic-book.js';
import type { StoredRecord } from '../../src/store/stored-record.js';
import { Stream } from '../../src/testing/broker/stream.js';

/**
 * A shared log in the thread of the test, which says when a commit is decided and when the log hears of what is stored.
 */
export class SharedLog implements ShardLog {
  readonly isShared = true;
  readonly wentBackwardsFrom = undefined;
  /** The store has removed all events up to here. */
  prunedThrough = 0;
  readonly forgottenThrough = 0;
  readonly walBytes = 0;
  dedupeWindowMs = DEDUPE_WINDOW_MS;
  dedupeReachMs = DEDUPE_WINDOW_MS;
  head: number;
  appendedTopic = '';
  /** By id: the sequences of events that this thread knows to be stored. */
  readonly known = new Map<string, number>();
  judges?: JudgedTerms;
  /** The terms of the events that were appended, by index in their batch. */
  readonly terms: (AppendTerms | undefined)[] = [];
  /** Whether a dead thread had read them, by index. */
  readonly again: boolean[] = [];
  /** What the store refuses of the next batch, by index; of a group, its first event. */
  readonly refusals = new Map<number, AppendRefusal>();
  readonly #stream: Stream;
  readonly #view = new EventRecordView();
  #batch: Omit<NewEntry, 'terms'>[] = [];
  #decide: ((outcome?: Error) => void) | undefined;
  /** Set to let reads return `NOT_AT_HAND`. */
  isFetching = false;
  reads = 0;
  #follower: LogFollower | undefined;

  constructor(stream = new Stream()) {
    this.#stream = stream;
    this.head = stream.head;
  }

  get prunedEvents(): number {
    return this.prunedThrough;
  }

  get syncedHead(): number {
    return this.head;
  }

  get lastRecordedAt(): number {
    return this.#stream.lastRecordedAt;
  }

  /** True while a commit is under way. */
  get isDeciding(): boolean {
    return this.#decide !== undefined;
  }

  append(
    bytes: Buffer,
    offset: number,
    recordedAt: number,
    terms?: AppendTerms,
    isAgain = false,
  ): number {
    if (this.#batch.length === 0) this.terms.length = this.again.length = 0;
    this.terms.push(terms);
    this.again.push(isAgain);
    const view = this.#view.wrap(bytes, offset);
    this.appendedTopic = view.topic;
    const record = Uint8Array.from(bytes.subarray(offset, offset + view.length));
    return this.#batch.push({ recordedAt, bytes: record }) - 1;
  }

  commit(): Promise<CommittedBatch> {
    const events = this.#batch;
    this.#batch = [];
    const decided = new Promise<void>((resolve, reject) => {
      this.#decide = (error) => (error === undefined ? resolve() : reject(error));
    });
    return decided.then(() => {
      const places: number[] = [];
      const stored = events.filter((_event, index) => {
        const group = this.terms[index]?.group;
        const first =
          group === undefined ? index : this.terms.findIndex((one) => one?.group === group);
        places.push(this.refusals.has(first) ? -1 : Math.max(-1, ...places) + 1);
        return !this.refusals.has(first);
      });
      const { sequences, repeats } = this.#stream.append(stored);
      return {
        sequenceOf: (index) => sequences[places[index]!]!,
        isRepeat: (index) => repeats[places[index]!]!,
        refusalOf: (index) => this.refusals.get(index),
      };
    });
  }

  /** The commit that is under way is stored, or fails with an error; the log hears of events only with `hear`. */
  async decide(error?: Error): Promise<void> {
    this.#decide?.(error);
    this.#decide = undefined;
    await new Promise(setImmediate);
  }

  /** Tells the log of all stored events. */
  hear(head = this.#stream.head): void {
    this.head = head;
    this.#follower?.onAdvance();
  }

  /** Lets the log have the events at hand that were asked for. */
  fetch(): void {
    this.isFetching = false;
    this.#follower?.onFetch();
  }

  findDuplicate(bytes: Buffer, offset: number): number {
    return this.known.get(this.#view.wrap(bytes, offset).id) ?? 0;
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    this.reads++;
    if (this.isFetching) return NOT_AT_HAND;
    let count = 0;
    const after = Math.max(request.after, this.prunedThrough);
    const until = Math.min(request.until ?? this.head, this.head, after + request.limit);
    for (const { sequence, recordedAt, bytes } of this.#stream.entries.slice(after, until)) {
      count++;
      const record = { sequence, recordedAt, bytes: Buffer.from(bytes), offset: 0 };
      if (visit({ ...record, length: bytes.length }) === false) break;
    }
    return count;
  }

  follow(follower: LogFollower): void {
    this.#follower = follower;
  }

  get #topics(): TopicBook {
    return new TopicBook(this.#stream.state.topics);
  }

  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    const { prunedThrough } = this;
    return this.#topics.scan(after, limit, (topic) => visit({ ...topic, prunedThrough }));
  }

  topic(name: string): TopicSummary | undefined {
    return this.#topics.get(name);
  }

  hasTopic(name: string): boolean {
    return this.topic(name) !== undefined;
  }

  maintain(): boolean {
    return false;
  }

  close(): void {}
}
