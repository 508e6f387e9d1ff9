/**
 * A shard's log on a broker: the `ShardLogModule` of `BrokerStore`. It gets every event that is stored and holds the
 * newest; it fetches older ones when they are read. Used by the shard's thread alone.
 */

import { setTimeout as afterMs } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { EventRecordView } from '../../record/event-record.js';
import {
  type CommittedBatch,
  type LogFollower,
  NOT_AT_HAND,
  type ReadRequest,
  type ShardLog,
  type ShardLogOpening,
  type TopicSummary,
  type TopicTotals,
} from '../../store/shard-log.js';
import type { StoredRecord } from '../../store/stored-record.js';
import { AtHand } from './at-hand.js';
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
import { RecentIds } from './recent-ids.js';
import { TopicBook } from './topic-book.js';

const FETCHED_EVENTS = 512;
/** The pause before the broker is asked again, ms. */
const RETRY_MS = 50;
const EMPTY: Buffer = Buffer.alloc(0);

export async function openShardLog(opening: ShardLogOpening): Promise<ShardLog> {
  const log = new BrokerShardLog(opening);
  await log.join(opening.headLeast);
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
  readonly #atHand = new AtHand();
  readonly #ids = new RecentIds();
  #topics = new TopicBook();
  #batch: NewEvent[] = [];
  #nextCall = 1;
  /** News that overtook the answer to `join`; `undefined` once the answer has come. */
  #early: Entry[] | undefined = [];
  #follower: LogFollower | undefined;
  #failure: BusError | undefined;

  constructor({ shard, options }: ShardLogOpening) {
    this.#shard = shard;
    this.#address = options as BrokerAddress;
    this.#channel = new BroadcastChannel(this.#address.channel);
    this.#channel.onmessage = (event) => {
      this.#take((event as MessageEvent).data as BrokerAnswer | BrokerNews);
    };
  }

  async join(headLeast: number): Promise<void> {
    let joined = await this.#call<Joined>({ call: 'join' });
    while (joined.head < headLeast) {
      await afterMs(RETRY_MS);
      joined = await this.#call<Joined>({ call: 'join' });
    }
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

  /** Everything that the broker has stored counts as synced. */
  get syncedHead(): number {
    return this.head;
  }

  append(bytes: Buffer, offset: number, recordedAt: number): number {
    const view = this.#view.wrap(bytes, offset);
    this.appendedTopic = view.topic;
    // Copied because the bytes may lie in shared memory, which a message would share instead of copy.
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

  /** Finds repeats of events that this node got recently; the broker finds the others. */
  findDuplicate(bytes: Buffer, offset: number): number {
    return this.#ids.find(this.#view.wrap(bytes, offset), this.dedupeWindowMs);
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    if (this.#failure !== undefined) throw this.#failure;
    const { after, limit, limitBytes = Number.POSITIVE_INFINITY } = request;
    const until = Math.min(request.until ?? this.head, this.head);
    if (after >= until || limit <= 0) return 0;
    const run = this.#atHand.runAfter(after);
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

  follow(follower: LogFollower): void {
    this.#follower = follower;
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
    if (this.#failure !== undefined) throw this.#failure;
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

  #fetch(after: number, until: number): void {
    if (this.#fetching.has(after)) return;
    this.#fetching.add(after);
    const end = Math.min(until, after + FETCHED_EVENTS);
    this.#call<readonly Entry[]>({ call: 'fetch', after, until: end }).then(
      (page) => {
        this.#fetching.delete(after);
        this.#atHand.keep(after, page);
        this.#follower?.onFetch();
      },
      (error: Error) => this.#fail(error.message),
    );
  }

  /** Notes a failure, which the next `read` or `maintain` throws. */
  #fail(message: string): void {
    this.#failure ??= new BusError('STORE_FAILED', message);
    this.#follower?.onAdvance();
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
      if (sequence > this.head + 1) {
        this.#fail(`the broker told of event ${sequence} after event ${this.head}`);
        return;
      }
      const view = this.#view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
      this.#topics.note(view.topic, sequence, recordedAt);
      this.#ids.note(view, sequence);
      this.#atHand.add(entry);
      this.head = sequence;
      this.lastRecordedAt = recordedAt;
    }
    this.#follower?.onAdvance();
  }
}
