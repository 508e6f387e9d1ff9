import { setTimeout as afterMs } from 'node:timers/promises';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { SHARED_DEDUPE_MARGIN_MS } from '../../protocol/limits/store.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { TopicSummary } from '../shard-log.js';
import type {
  AppendedEntries,
  LogStream,
  NewEntry,
  StreamEntry,
  StreamFollower,
  StreamState,
  TrimLimits,
} from '../shared/log-stream.js';
import { appendedOf, batchEvent, outcomeOf, termsOf } from './append-batch.js';
import { APPEND } from './append-script.js';
import { Confirming } from './confirming.js';
import { beginOtherEpoch, otherEpoch } from './epochs.js';
import { batchKey } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLink, type RunLimits } from './redis-link.js';
import { ShardReader, type ShardState } from './shard-reader.js';
import { Tail } from './tail.js';
import { topicOfRow } from './topic-rows.js';
import { TRIM } from './trim-script.js';

const RETRY_MS = 50;
/** A Redis that has less than was shown for so long has lost it, ms: by then a new master has taken over. */
const LOST_AFTER_MS = 10_000;
const TOPICS_PER_SCAN = 1000;

/** A shard's stream in Redis. One connection appends and fetches, and one waits for what is new. */
export class RedisLogStream implements LogStream {
  readonly judges = { expect: true, groups: true };
  readonly #address: RedisAddress;
  readonly #shard: number;
  readonly #id = ulid();
  readonly #link: RedisLink;
  readonly #tailLink: RedisLink;
  readonly #reader: ShardReader;
  readonly #confirming: Confirming;
  #tail: Tail | undefined;
  #follower: StreamFollower | undefined;
  #batches = 0;
  /** What Redis's clock is ahead of `elapsedMs`, at the least. */
  #clockMs = 0;

  constructor(links: readonly [RedisLink, RedisLink], address: RedisAddress, shard: number) {
    [this.#link, this.#tailLink] = links;
    this.#address = address;
    this.#shard = shard;
    this.#reader = new ShardReader(this.#link, address, shard);
    this.#confirming = new Confirming(this.#link, this.#reader.keys, address);
  }

  static async open(address: RedisAddress, shard: number): Promise<RedisLogStream> {
    const links = [RedisLink.open(address.options), RedisLink.open(address.options)] as const;
    return new RedisLogStream(await Promise.all(links), address, shard);
  }

  async join(headLeast: number, isFirst: boolean, follower: StreamFollower): Promise<StreamState> {
    const { connectTimeoutMs } = this.#address.options;
    const limits = isFirst ? { until: elapsedMs() + connectTimeoutMs } : {};
    const state = await this.#stateFrom(headLeast, limits);
    const { dedupeWindowMs } = this.#address;
    if (state === undefined) return { ...NOTHING, dedupeWindowMs, isOtherHistory: true };
    await this.#readClock(limits);
    const { head, prunedThrough } = state;
    const [last] = await this.#reader.fetch(limits, head - 1, head, 1);
    const topics = await this.#allTopics(limits);
    this.#follower = follower;
    this.#tail = new Tail(this.#tailLink, this.#address, this.#shard, {
      last: last ?? { sequence: head, recordedAt: state.lastRecordedAt, bytes: undefined },
      prunedThrough,
      follower,
      confirm: (sequence) => this.#confirming.confirm(sequence),
    });
    this.#tail.begin();
    const lastRecordedAt = last?.recordedAt ?? state.lastRecordedAt;
    return { head, lastRecordedAt, topics, dedupeWindowMs, prunedThrough };
  }

  async append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    if (events.length === 0) return { sequences: [], repeats: [] };
    const until = elapsedMs() + SHARED_DEDUPE_MARGIN_MS;
    const batch = events.map(batchEvent);
    const { meta, log, ids, idsByAge, topics } = this.#reader.keys;
    const { epoch, options, dedupeWindowMs } = this.#address;
    const keys = [
      meta,
      log,
      ids,
      idsByAge,
      topics,
      batchKey(options.prefix, this.#shard, this.#id),
    ];
    const latest = Math.floor(until + this.#clockMs);
    const args = [epoch, ++this.#batches, latest, dedupeWindowMs, termsOf(events)];
    const all = [...args, ...batch.flatMap(({ identity, record }) => [identity, record])];
    const outcome = outcomeOf(await this.#link.script({ until }, APPEND, keys, all));
    this.#noteClock(outcome.serverMs);
    if (outcome.status === 'EPOCH') throw this.#fail();
    if (outcome.status === 'LATE') {
      throw new BusError('STORE_FAILED', `${this.#link.place}: a batch came too late to be stored`);
    }
    const last = outcome.sequences.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const lastIndex = outcome.sequences.findIndex((one) => Math.abs(one) === last);
    if (last > 0) await this.#confirming.confirm(last, batch[lastIndex]!.identity);
    return appendedOf(outcome, events, this.#link.place);
  }

  fetch(after: number, until: number): Promise<readonly StreamEntry[]> {
    return this.#reader.fetch({}, after, until);
  }

  topics(names: readonly string[]): Promise<readonly TopicSummary[]> {
    return this.#reader.topics({}, names);
  }

  async trim({ maxEvents = -1, maxAgeMs = -1, maxBytes = -1 }: TrimLimits): Promise<boolean> {
    const { meta, log, topics } = this.#reader.keys;
    const args = [this.#address.epoch, maxEvents, maxAgeMs, maxBytes];
    return (await this.#link.script({}, TRIM, [meta, log, topics], args)) === 1;
  }

  async close(): Promise<void> {
    this.#confirming.close();
    this.#tail?.close();
    this.#link.close();
    this.#tailLink.close();
  }

  /** The state, once it has all that was shown; undefined if that will never be. */
  async #stateFrom(headLeast: number, limits: RunLimits): Promise<ShardState | undefined> {
    const lostAt = elapsedMs() + LOST_AFTER_MS;
    for (;;) {
      const state = await this.#reader.state(limits);
      if (state.epoch !== this.#address.epoch) return undefined;
      if (state.head < state.written)
        await this.#confirming.confirm(state.written, undefined, limits);
      else if (state.head >= headLeast) return state;
      if (state.written < headLeast && elapsedMs() > lostAt) {
        await beginOtherEpoch(this.#link, this.#address);
        return undefined;
      }
      await afterMs(RETRY_MS);
    }
  }

  async #allTopics(limits: RunLimits): Promise<TopicSummary[]> {
    const found = new Map<string, TopicSummary>();
    let cursor = '0';
    do {
      const scan = [cursor, 'COUNT', TOPICS_PER_SCAN];
      const reply = await this.#link.command(limits, 'HSCAN', this.#reader.keys.topics, ...scan);
      const [next, fields] = reply as [Buffer, Buffer[]];
      for (let at = 0; at < fields.length; at += 2) {
        const name = fields[at]!.toString();
        found.set(name, topicOfRow(name, fields[at + 1]!));
      }
      cursor = next.toString();
    } while (cursor !== '0');
    return [...found.values()].sort((one, other) => one.firstSequence - other.firstSequence);
  }

  async #readClock(limits: RunLimits): Promise<void> {
    const [seconds] = (await this.#link.command(limits, 'TIME')) as Buffer[];
    this.#noteClock(1000 * Number(seconds));
  }

  #noteClock(serverMs: number): void {
    this.#clockMs = serverMs - elapsedMs();
  }

  #fail(): BusError {
    const error = otherEpoch(this.#link.place, this.#shard);
    this.#follower?.onFailure(error);
    return error;
  }
}

const NOTHING = { head: 0, lastRecordedAt: 0, topics: [], prunedThrough: 0 };
