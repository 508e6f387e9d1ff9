/** History in Redis, for a reader thread: the `HistoryModule` of `RedisStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StoreHistory } from '../log-store.js';
import { type HistoryStream, type StreamBounds, StreamHistory } from '../shared/stream-history.js';
import { otherEpoch } from './epochs.js';
import type { RedisAddress } from './redis-address.js';
import { RedisLink } from './redis-link.js';
import { ShardReader } from './shard-reader.js';

/** How long a look waits for Redis, and for events that are known to be there, ms. */
const WAIT_MS = 10_000;
const RETRY_MS = 20;

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const address = options as RedisAddress;
  return new StreamHistory(new RedisHistory(await RedisLink.open(address.options), address));
}

class RedisHistory implements HistoryStream {
  readonly #link: RedisLink;
  readonly #address: RedisAddress;
  readonly #readers: readonly ShardReader[];

  constructor(link: RedisLink, address: RedisAddress) {
    this.#link = link;
    this.#address = address;
    const shards = Array.from({ length: address.shards }, (_, shard) => shard);
    this.#readers = shards.map((shard) => new ShardReader(link, address, shard));
  }

  async bounds(shard: number, headLeast: number): Promise<StreamBounds> {
    const until = elapsedMs() + WAIT_MS;
    for (;;) {
      const state = await this.#readers[shard]!.state({ until });
      if (state.epoch !== this.#address.epoch) throw otherEpoch(this.#link.place, shard);
      if (state.head >= headLeast) return state;
      if (elapsedMs() > until) throw this.#behind(shard, state.head, headLeast);
      await afterMs(RETRY_MS);
    }
  }

  fetch(shard: number, after: number, until: number, limit?: number) {
    return this.#readers[shard]!.fetch({ until: elapsedMs() + WAIT_MS }, after, until, limit);
  }

  topics(shard: number, names: readonly string[]) {
    return this.#readers[shard]!.topics({ until: elapsedMs() + WAIT_MS }, names);
  }

  close(): void {
    this.#link.close();
  }

  #behind(shard: number, head: number, least: number): BusError {
    const message = `${this.#link.place}: events ${head + 1} to ${least} of shard ${shard} are missing`;
    return new BusError('STORE_FAILED', message);
  }
}
