import { setTimeout as afterMs } from 'node:timers/promises';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { EMPTIED_TOPICS_KEPT, SHARED_DEDUPE_MARGIN_MS } from '../../protocol/limits/store.js';
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
import { appendedOf, outcomeOf, PackedBatch, termsOf } from './append-batch.js';
import { APPEND } from './append-script.js';
import { Confirming } from './confirming.js';
import { otherEpoch } from './epochs.js';
import { GuardedReader } from './guarded-reader.js';
import { Judge } from './judge.js';
import { batchKey, shardKeys } from './keys.js';
import { type KnownEvent, NO_SEAL, sealOf } from './known-event.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLink, type RunLimits } from './redis-link.js';
import { SyncedWatch } from './redis-server.js';
import { ShardReader, type ShardState } from './shard-reader.js';
import { Tail } from './tail.js';
import { topicOfRow } from './topic-rows.js';
import { TRIM } from './trim-script.js';

const RETRY_MS = 50;
/** A Redis that has less than was shown for so long has lost it, ms: by then a new master has taken over. */
const LOST_AFTER_MS = 10_000;
const NOTHING_KNOWN: KnownEvent = { sequence: 0, seal: NO_SEAL };
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
  readonly #guarded: GuardedReader;
  readonly #judge: Judge;
  readonly #watch: SyncedWatch;
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
    this.#judge = new Judge(this.#link, address, shard);
    this.#guarded = new GuardedReader(this.#link, this.#reader, this.#judge, () => this.#known);
    this.#watch = new SyncedWatch(this.#link);
    this.#confirming = new Confirming(this.#link, this.#reader.keys, address);
  }

  static async open(address: RedisAddress, shard: number): Promise<RedisLogStream> {
    const { options } = address;
    const { meta } = shardKeys(options.prefix, shard);
    const links = [RedisLink.open(options, meta), RedisLink.open(options, meta)] as const;
    return new RedisLogStream(await Promise.all(links), address, shard);
  }

  async join(headLeast: number, isFirst: boolean, follower: StreamFollower): Promise<StreamState> {
    const { connectTimeoutMs } = this.#address.options;
    const limits = isFirst ? { until: elapsedMs() + connectTimeoutMs } : {};
    const state = await this.#stateFrom(headLeast, limits);
    const { dedupeWindowMs } = this.#address;
    if (state === undefined) {
      return {
        ...NOTHING,
        dedupeWindowMs,
        otherHistory: 'Redis has another epoch, as it has lost data that was read',
      };
    }
    await this.#readClock(limits);
    const { head, prunedThrough, forgottenThrough } = state;
    const [last] = await this.#reader.fetch(limits, head - 1, head, 1);
    const topics = await this.#allTopics(limits);
    this.#follower = follower;
    this.#tail = new Tail(this.#tailLink, this.#address, this.#shard, {
      last: { sequence: head, seal: last === undefined ? NO_SEAL : sealOf(last.bytes) },
      prunedThrough,
      follower,
      judge: this.#judge,
      confirm: (sequence) => this.#confirming.confirm(sequence),
    });
    this.#tail.begin();
    const lastRecordedAt = last?.recordedAt ?? state.lastRecordedAt;
    return { head, lastRecordedAt, topics, dedupeWindowMs, prunedThrough, forgottenThrough };
  }

  async append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    const until = elapsedMs() + SHARED_DEDUPE_MARGIN_MS;
    const { isSynced } = this.#address;
    if (!isSynced) return this.#append(events, until);
    const [appended] = await Promise.all([
      this.#append(events, until),
      this.#watch.isSynced({ until }),
    ]);
    // It may have been stored by another server than the one that was asked.
    return { ...appended, isOnlyWritten: !(await this.#watch.isSynced({ until })) };
  }

  async #append(events: readonly NewEntry[], until: number): Promise<AppendedEntries> {
    if (events.length === 0) return { sequences: [], repeats: [] };
    const batch = new PackedBatch(events);
    const { outcome, sends } = await this.#send(events, batch, until);
    const { sequences } = outcome;
    const last = sequences.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    if (last > 0) {
      const index = sequences.findIndex((one) => Math.abs(one) === last);
      const { identity, record } = batch.event(index);
      await this.#confirming.confirm(last, identity);
      // Of a repeat the broker has the bytes of the first time.
      const isOwn = sequences[index]! > 0;
      await this.#tail!.heard({ sequence: last, seal: isOwn ? sealOf(record) : NO_SEAL });
    }
    // A copy of the batch may still be on its way on a connection that was given up. What is refused now must not be
    // stored then: Redis drops copies that come after this time.
    const isRefused = outcome.status === 'FULL' || outcome.refusals.length > 0;
    if (sends > 1 && isRefused) await afterMs(Math.max(0, until - elapsedMs()));
    return appendedOf(outcome, events, this.#link.place);
  }

  /** Has Redis judge a batch, and says how often it was sent. */
  async #send(events: readonly NewEntry[], batch: PackedBatch, until: number) {
    const { meta, log, ids, idsByAge, topics, emptied } = this.#reader.keys;
    const { epoch, options, dedupeWindowMs } = this.#address;
    const batches = batchKey(options.prefix, this.#shard, this.#id);
    const keys = [meta, log, ids, idsByAge, topics, batches, emptied];
    const latest = Math.floor(until + this.#clockMs);
    const args = [epoch, ++this.#batches, latest, dedupeWindowMs, termsOf(events)];
    for (let sends = 0; ; ) {
      const known = this.#known;
      const reply = await this.#link.run(
        (client) => {
          sends++;
          return APPEND.run(client, keys, [...args, known.sequence, known.seal, batch.bytes]);
        },
        { until },
      );
      const outcome = outcomeOf(reply);
      this.#noteClock(outcome.serverMs);
      switch (outcome.status) {
        case 'LATE': {
          const message = `${this.#link.place}: a batch came too late to be stored`;
          throw new BusError('STORE_FAILED', message);
        }
        case 'EPOCH':
        case 'BACK':
          if (!(await this.#judge.goesOn(known, { until }))) throw this.#fail();
          break;
        default:
          return { outcome, sends };
      }
    }
  }

  fetch(after: number, until: number): Promise<readonly StreamEntry[]> {
    return this.#guarded.fetch({}, after, until);
  }

  topics(names: readonly string[]): Promise<readonly TopicSummary[]> {
    return this.#reader.topics({}, names);
  }

  async trim({ maxEvents = -1, maxAgeMs = -1, maxBytes = -1 }: TrimLimits): Promise<boolean> {
    const { meta, log, topics, emptied } = this.#reader.keys;
    const args = [this.#address.epoch, maxEvents, maxAgeMs, maxBytes, EMPTIED_TOPICS_KEPT];
    return (await this.#link.script({}, TRIM, [meta, log, topics, emptied], args)) === 1;
  }

  async close(): Promise<void> {
    this.#confirming.close();
    this.#tail?.close();
    this.#link.close();
    this.#tailLink.close();
  }

  get #known(): KnownEvent {
    return this.#tail?.last ?? NOTHING_KNOWN;
  }

  /** The state, once it has all that was shown; undefined if that will never be. */
  async #stateFrom(headLeast: number, limits: RunLimits): Promise<ShardState | undefined> {
    const least = { sequence: headLeast, seal: NO_SEAL };
    for (;;) {
      const state = await this.#reader.state(limits);
      const { head, written } = state;
      if (state.epoch !== this.#address.epoch) {
        if (!(await this.#judge.goesOn(least, limits))) return undefined;
      } else if (head < written) {
        await this.#confirming.confirm(written, undefined, limits);
      } else if (head >= headLeast) {
        return state;
      } else if (!(await this.#judge.goesOn(least, limits, LOST_AFTER_MS))) {
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
