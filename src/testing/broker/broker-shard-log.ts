/**
 * A shard's log on a broker: the `ShardLogModule` of `BrokerStore`. It is told of every event that is stored and keeps the last
 * few at hand; older ones it fetches when they are asked for. Used by the shard's thread alone.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { EventRecordView } from '../../record/event-record.js';
import {
  type CommittedBatch,
  NOT_AT_HAND,
  type ReadRequest,
  type ShardLog,
  type ShardLogOpening,
  type TopicSummary,
  type TopicTotals,
} from '../../store/shard-log.js';
import type { StoredRecord } from '../../store/stored-record.js';
import type {
  Appended,
  BrokerAddress,
  BrokerAnswer,
  BrokerCall,
  BrokerNews,
  BrokerRequest,
  Entry,
  Joined,
  NewEvent,
} from './messages.js';
import { TopicBook } from './topic-book.js';

/** Few, so that a subscriber who is only a little behind makes the log fetch. */
const RECENT_EVENTS = 256;
const FETCHED_EVENTS = 512;
/** Each for a reader at another place. */
const FETCHED_PAGES_MAX = 64;
const EMPTY: Buffer = Buffer.alloc(0);

export async function openShardLog(opening: ShardLogOpening): Promise<ShardLog> {
  const log = new BrokerShardLog(opening);
  await log.join();
  return log;
}

class BrokerShardLog implements ShardLog {
  readonly isShared = true;
  readonly wentBackwardsFrom = undefined;
  readonly prunedThrough = 0;
  readonly forgottenThrough = 0;
  readonly prunedEvents = 0;
  readonly walBytes = 0;
  dedupeWindowMs = 0;
  head = 0;
  lastRecordedAt = 0;
  appendedTopic = '';

  readonly #shard: number;
  readonly #address: BrokerAddress;
  readonly #id = ulid();
  readonly #channel: BroadcastChannel;
  readonly #calls = new Map<number, (answer: BrokerAnswer) => void>();
  readonly #view = new EventRecordView();
  readonly #shown = { sequence: 0, recordedAt: 0, bytes: EMPTY, offset: 0, length: 0 };
  readonly #fetching = new Set<number>();
  /** Runs of entries, by the sequence before their first; the oldest first. */
  readonly #pages = new Map<number, readonly Entry[]>();
  #topics = new TopicBook();
  #recent: Entry[] = [];
  #batch: NewEvent[] = [];
  #nextCall = 1;
  /** News that overtook the answer to `join`; `undefined` once that is there. */
  #early: Entry[] | undefined = [];
  #onAdvance = (): void => {};

  constructor({ shard, options }: ShardLogOpening) {
    this.#shard = shard;
    this.#address = options as BrokerAddress;
    this.#channel = new BroadcastChannel(this.#address.channel);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerAnswer | BrokerNews);
    };
  }

  async join(): Promise<void> {
    const joined = await this.#call<Joined>({ call: 'join' });
    const { head, lastRecordedAt, topics, dedupeWindowMs } = joined;
    this.dedupeWindowMs = dedupeWindowMs;
    this.head = head;
    this.lastRecordedAt = lastRecordedAt;
    this.#topics = new TopicBook(topics);
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#hear(early);
  }

  /** The broker keeps all ids of its window. */
  get dedupeReachMs(): number {
    return this.dedupeWindowMs;
  }

  /** The broker has no weaker durability than being stored. */
  get syncedHead(): number {
    return this.head;
  }

  append(bytes: Buffer, offset: number, recordedAt: number): number {
    const view = this.#view.wrap(bytes, offset);
    this.appendedTopic = view.topic;
    // A copy, also of memory that threads share: a message would share it.
    const record = new Uint8Array(view.length);
    record.set(bytes.subarray(offset, offset + view.length));
    return this.#batch.push({ recordedAt, bytes: record }) - 1;
  }

  async commit(): Promise<CommittedBatch> {
    const events = this.#batch;
    this.#batch = [];
    const { sequences, repeats, refusal } = await this.#call<Appended>({
      call: 'append',
      events,
    });
    return {
      sequenceOf: (index) => sequences[index]!,
      isRepeat: (index) => repeats[index]!,
      ...(refusal === undefined ? {} : { refusal: BusError.from(refusal) }),
    };
  }

  /** The broker alone knows. */
  findDuplicate(): number {
    return 0;
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    const { after, limit, limitBytes = Number.POSITIVE_INFINITY } = request;
    const until = Math.min(request.until ?? this.head, this.head);
    if (after >= until || limit <= 0) return 0;
    const run = this.#runAfter(after);
    if (run === undefined) {
      this.#fetch(after, until);
      return NOT_AT_HAND;
    }
    let count = 0;
    let bytes = 0;
    for (let i = after + 1 - run[0]!.sequence; i < run.length; i++) {
      const entry = run[i]!;
      if (entry.sequence > until || count === limit || bytes >= limitBytes) break;
      count++;
      bytes += entry.bytes.length;
      if (visit(this.#show(entry)) === false) break;
    }
    return count;
  }

  onAdvance(listener: () => void): void {
    this.#onAdvance = listener;
  }

  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    return this.#topics.scan(after, limit, visit);
  }

  topic(name: string): TopicSummary | undefined {
    return this.#topics.get(name);
  }

  hasTopic(name: string): boolean {
    return this.#topics.get(name) !== undefined;
  }

  maintain(): boolean {
    return false;
  }

  close(): void {
    this.#channel.close();
  }

  #show({ sequence, recordedAt, bytes }: Entry): StoredRecord {
    const shown = this.#shown;
    shown.sequence = sequence;
    shown.recordedAt = recordedAt;
    shown.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    shown.length = bytes.length;
    return shown;
  }

  /** Entries at hand among which the one after `after` is. */
  #runAfter(after: number): readonly Entry[] | undefined {
    if (hasNext(this.#recent, after)) return this.#recent;
    for (const page of this.#pages.values()) if (hasNext(page, after)) return page;
    return undefined;
  }

  #fetch(after: number, until: number): void {
    if (this.#fetching.has(after)) return;
    this.#fetching.add(after);
    const end = Math.min(until, after + FETCHED_EVENTS);
    void this.#call<readonly Entry[]>({ call: 'fetch', after, until: end }).then((page) => {
      this.#fetching.delete(after);
      this.#pages.set(after, page);
      const [oldest] = this.#pages.keys();
      if (this.#pages.size > FETCHED_PAGES_MAX) this.#pages.delete(oldest!);
      this.#onAdvance();
    });
  }

  #call<T extends NonNullable<BrokerAnswer['value']>>(call: BrokerCall): Promise<T> {
    const id = this.#nextCall++;
    const { store } = this.#address;
    const request: BrokerRequest = { shard: this.#shard, store, log: this.#id, id, call };
    return new Promise((resolve, reject) => {
      this.#calls.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T);
        else reject(BusError.from(error));
      });
      this.#channel.postMessage(request);
    });
  }

  #take(message: BrokerAnswer | BrokerNews): void {
    if ('entries' in message) {
      if (message.shard !== this.#shard) return;
      if (this.#early === undefined) this.#hear(message.entries);
      else this.#early.push(...message.entries);
      return;
    }
    if (message.log !== this.#id) return;
    this.#calls.get(message.id)?.(message);
    this.#calls.delete(message.id);
  }

  #hear(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { sequence, recordedAt, bytes } = entry;
      if (sequence <= this.head) continue;
      const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#topics.note(this.#view.wrap(record, 0).topic, sequence, recordedAt);
      this.#recent.push(entry);
      this.head = sequence;
      this.lastRecordedAt = recordedAt;
    }
    if (this.#recent.length > 2 * RECENT_EVENTS) this.#recent = this.#recent.slice(-RECENT_EVENTS);
    this.#onAdvance();
  }
}

function hasNext(run: readonly Entry[], after: number): boolean {
  const first = run[0]?.sequence;
  return first !== undefined && first <= after + 1 && after < first + run.length - 1;
}
