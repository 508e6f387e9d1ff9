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
import { type OpenedRedis, openRedis } from './opening.js';
import { fullMessage } from './redis-errors.js';
import type { ParsedRedisOptions } from './redis-options.js';
import { ShardReader } from './shard-reader.js';

/** How long a batch waits for a Redis that is away, or for its replicas, ms. */
const WAIT_MS = 30_000;

export async function fillRedis(
  options: ParsedRedisOptions,
  request: FillRequest,
): Promise<StoreFilling> {
  const opened = await openRedis(options, request);
  const { link, filledFrom } = opened;
  try {
    const filling = new RedisFilling(opened, await headsOf(opened));
    assertFillable(link.place, filledFrom, request.history, filling.heads);
    const limits = { until: elapsedMs() + WAIT_MS };
    await link.command(limits, 'HSET', storeKey(options.prefix), 'filledFrom', request.history);
    return filling;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** What Redis has, also what its replicas do not have yet. */
async function headsOf({ linkOf, address }: OpenedRedis): Promise<number[]> {
  const heads: number[] = [];
  for (let shard = 0; shard < address.shards; shard++) {
    const limits = { until: elapsedMs() + WAIT_MS };
    heads.push((await new ShardReader(linkOf(shard), address, shard).state(limits)).written);
  }
  return heads;
}

class RedisFilling implements StoreFilling {
  readonly shards: number;
  readonly shardBy: StoreFilling['shardBy'];
  readonly heads: readonly number[];
  readonly #opened: OpenedRedis;
  readonly #readers: readonly ShardReader[];

  constructor(opened: OpenedRedis, heads: readonly number[]) {
    const { address, shardBy, linkOf } = opened;
    this.shards = address.shards;
    this.shardBy = shardBy;
    this.heads = heads;
    this.#opened = opened;
    this.#readers = heads.map((_, shard) => new ShardReader(linkOf(shard), address, shard));
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
    const { epoch, dedupeWindowMs } = this.#opened.address;
    const link = this.#opened.linkOf(shard);
    const parts = events.flatMap(({ bytes, recordedAt }) => {
      const sealed = seal(bytes, 0, bytes.length);
      const { identity, record } = batchEvent({ bytes: sealed, recordedAt, terms: undefined });
      return [String(recordedAt), identity, record];
    });
    const args = [epoch, head, dedupeWindowMs, ...parts];
    const limits = { until: elapsedMs() + WAIT_MS };
    const reply = await link.script(limits, FILL, [meta, log, ids, idsByAge, topics], args);
    const [status, found] = (reply as Buffer[]).map(String);
    if (status === 'OK') return;
    if (status === 'EPOCH') throw otherEpoch(link.place, shard);
    if (status === 'FULL') {
      throw new BusError('STORE_FULL', fullMessage(found ?? '', link.place));
    }
    // The batch is stored, and the answer was lost: the connection ran it again.
    if (Number(found) === head + events.length) return;
    throw new BusError(
      'STORE_FAILED',
      `${link.place}: shard ${shard} ends with event ${found}, not ${head}: somebody else writes to it`,
    );
  }

  async settle(): Promise<readonly number[]> {
    const { linkOf, address } = this.#opened;
    const heads = await headsOf(this.#opened);
    for (const [shard, head] of heads.entries()) {
      const confirming = new Confirming(linkOf(shard), this.#readers[shard]!.keys, address);
      const limits = { until: elapsedMs() + WAIT_MS };
      if (head > 0) await confirming.confirm(head, undefined, limits);
    }
    return heads;
  }

  async end(): Promise<void> {
    const { link, address } = this.#opened;
    const limits = { until: elapsedMs() + WAIT_MS };
    await link.command(limits, 'HDEL', storeKey(address.options.prefix), 'filledFrom');
  }

  async close(): Promise<void> {
    this.#opened.close();
  }
}
