/** History in Redis, for a reader thread: the `HistoryModule` of `RedisStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StoreHistory } from '../log-store.js';
import { type HistoryStream, type StreamBounds, StreamHistory } from '../shared/stream-history.js';
import { GuardedReader } from './guarded-reader.js';
import { Judge } from './judge.js';
import { shardKeys } from './keys.js';
import { type KnownEvent, NO_SEAL, sealOf } from './known-event.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { RedisLinks } from './redis-links.js';
import { ShardReader } from './shard-reader.js';

/** How long a look waits for Redis, and for events that are known to be there, ms. */
const WAIT_MS = 10_000;
const RETRY_MS = 20;

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const address = options as RedisAddress;
  const { prefix } = address.options;
  const metas = Array.from({ length: address.shards }, (_, n) => shardKeys(prefix, n).meta);
  const links = await RedisLinks.open(address.options, metas);
  return new StreamHistory(new RedisHistory(links, metas, address));
}

/** One shard's stream, as a thread that never appends sees it. */
class ShardHistory {
  readonly reader: ShardReader;
  readonly judge: Judge;
  readonly #guarded: GuardedReader;
  /** The last event that this thread has read. */
  newest: KnownEvent = { sequence: 0, seal: NO_SEAL };

  constructor(link: RedisLink, address: RedisAddress, shard: number) {
    this.reader = new ShardReader(link, address, shard);
    this.judge = new Judge(link, address, shard);
    this.#guarded = new GuardedReader(link, this.reader, this.judge, () => this.newest);
  }

  async fetch(limits: RunLimits, after: number, until: number, limit?: number) {
    const entries = await this.#guarded.fetch(limits, after, until, limit);
    const last = entries.at(-1);
    if (last !== undefined && last.sequence > this.newest.sequence) {
      this.newest = { sequence: last.sequence, seal: sealOf(last.bytes) };
    }
    return entries;
  }
}

class RedisHistory implements HistoryStream {
  readonly #links: RedisLinks;
  readonly #place: string;
  readonly #address: RedisAddress;
  readonly #shards: readonly ShardHistory[];

  constructor(links: RedisLinks, metas: readonly string[], address: RedisAddress) {
    this.#links = links;
    this.#place = links.of(metas[0]!).place;
    this.#address = address;
    this.#shards = metas.map((meta, shard) => new ShardHistory(links.of(meta), address, shard));
  }

  async bounds(shard: number, headLeast: number): Promise<StreamBounds> {
    const until = elapsedMs() + WAIT_MS;
    const { reader, judge, newest } = this.#shards[shard]!;
    for (;;) {
      const state = await reader.state({ until });
      if (state.epoch !== this.#address.epoch) await judge.assert(newest, { until });
      else if (state.head >= headLeast) return state;
      if (elapsedMs() > until) throw this.#behind(shard, state.head, headLeast);
      await afterMs(RETRY_MS);
    }
  }

  fetch(shard: number, after: number, until: number, limit?: number) {
    return this.#shards[shard]!.fetch({ until: elapsedMs() + WAIT_MS }, after, until, limit);
  }

  topics(shard: number, names: readonly string[]) {
    return this.#shards[shard]!.reader.topics({ until: elapsedMs() + WAIT_MS }, names);
  }

  close(): void {
    this.#links.close();
  }

  #behind(shard: number, head: number, least: number): BusError {
    const message = `${this.#place}: events ${head + 1} to ${least} of shard ${shard} are missing`;
    return new BusError('STORE_FAILED', message);
  }
}
