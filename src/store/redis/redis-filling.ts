/** Fills the streams of a store with the events of another one. See docs/adr/0087. */
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { FilledEvent, FillRequest, StoreFilling } from '../filling.js';
import { damaged, seal, unseal } from '../shared/sealed-record.js';
import { assertFillable } from '../shared/shared-store.js';
import { batchEvent } from './append-batch.js';
import { Confirming } from './confirming.js';
import { otherEpoch } from './epochs.js';
import { FILL } from './fill-script.js';
import { storeKey } from './keys.js';
import { beginShards, type FoundAddress, openAddress } from './opening.js';
import { fullMessage } from './redis-errors.js';
import { RedisLink } from './redis-link.js';
import type { ParsedRedisOptions } from './redis-options.js';
import { examineServer } from './redis-server.js';
import { ShardReader } from './shard-reader.js';

/** How long a batch waits for a Redis that is away, or for its replicas, ms. */
const WAIT_MS = 30_000;

export async function fillRedis(
  options: ParsedRedisOptions,
  request: FillRequest,
): Promise<StoreFilling> {
  const link = await RedisLink.open(options);
  try {
    const limits = { until: elapsedMs() + options.connectTimeoutMs };
    await examineServer(link, options, limits);
    const address = await openAddress(link, options, request, limits);
    await beginShards(link, address, limits);
    const filling = new RedisFilling(link, address, await headsOf(link, address));
    assertFillable(link.place, address.filledFrom, request.history, filling.heads);
    await link.command(limits, 'HSET', storeKey(options.prefix), 'filledFrom', request.history);
    return filling;
  } catch (error) {
    link.close();
    throw error;
  }
}

/** What Redis has, also what its replicas do not have yet. */
async function headsOf(link: RedisLink, address: FoundAddress): Promise<number[]> {
  const heads: number[] = [];
  for (let shard = 0; shard < address.shards; shard++) {
    const limits = { until: elapsedMs() + WAIT_MS };
    heads.push((await new ShardReader(link, address, shard).state(limits)).written);
  }
  return heads;
}

class RedisFilling implements StoreFilling {
  readonly shards: number;
  readonly shardBy: StoreFilling['shardBy'];
  readonly heads: readonly number[];
  readonly #link: RedisLink;
  readonly #address: FoundAddress;
  readonly #readers: readonly ShardReader[];

  constructor(link: RedisLink, address: FoundAddress, heads: readonly number[]) {
    this.shards = address.shards;
    this.shardBy = address.shardBy;
    this.heads = heads;
    this.#link = link;
    this.#address = address;
    this.#readers = heads.map((_, shard) => new ShardReader(link, address, shard));
  }

  async read(shard: number, after: number, until: number): Promise<readonly FilledEvent[]> {
    const limits = { until: elapsedMs() + WAIT_MS };
    const entries = await this.#readers[shard]!.fetch(limits, after, until);
    return entries.map(({ sequence, recordedAt, bytes }) => {
      const record = unseal(bytes);
      if (record === undefined) throw damaged(shard, sequence);
      return { recordedAt, bytes: record };
    });
  }

  async append(shard: number, head: number, events: readonly FilledEvent[]): Promise<void> {
    const { meta, log, ids, idsByAge, topics } = this.#readers[shard]!.keys;
    const { epoch, dedupeWindowMs } = this.#address;
    const parts = events.flatMap(({ bytes, recordedAt }) => {
      const sealed = seal(bytes, 0, bytes.length);
      const { identity, record } = batchEvent({ bytes: sealed, recordedAt, terms: undefined });
      return [String(recordedAt), identity, record];
    });
    const args = [epoch, head, dedupeWindowMs, ...parts];
    const limits = { until: elapsedMs() + WAIT_MS };
    const reply = await this.#link.script(limits, FILL, [meta, log, ids, idsByAge, topics], args);
    const [status, found] = (reply as Buffer[]).map(String);
    if (status === 'OK') return;
    if (status === 'EPOCH') throw otherEpoch(this.#link.place, shard);
    if (status === 'FULL') {
      throw new BusError('STORE_FULL', fullMessage(found ?? '', this.#link.place));
    }
    // The batch is stored, and the answer was lost: the connection ran it again.
    if (Number(found) === head + events.length) return;
    throw new BusError(
      'STORE_FAILED',
      `${this.#link.place}: shard ${shard} ends with event ${found}, not ${head}: somebody else writes to it`,
    );
  }

  async settle(): Promise<readonly number[]> {
    const heads = await headsOf(this.#link, this.#address);
    for (const [shard, head] of heads.entries()) {
      const confirming = new Confirming(this.#link, this.#readers[shard]!.keys, this.#address);
      const limits = { until: elapsedMs() + WAIT_MS };
      if (head > 0) await confirming.confirm(head, undefined, limits);
    }
    return heads;
  }

  async end(): Promise<void> {
    const limits = { until: elapsedMs() + WAIT_MS };
    await this.#link.command(limits, 'HDEL', storeKey(this.#address.options.prefix), 'filledFrom');
  }

  async close(): Promise<void> {
    this.#link.close();
  }
}
