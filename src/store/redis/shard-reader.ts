import type { TopicSummary } from '../shard-log.js';
import type { StreamEntry } from '../shared/log-stream.js';
import { AnswerSize, entriesOf, idOf, sequenceOfId } from './entries.js';
import { type ShardKeys, shardKeys } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { topicOfRow } from './topic-rows.js';

export interface ShardState {
  /** Undefined where Redis has no such shard any more. */
  readonly epoch: string | undefined;
  /** The last event that may be shown. */
  readonly head: number;
  /** The last event that Redis has, also before the replicas have it. */
  readonly written: number;
  readonly lastRecordedAt: number;
  readonly prunedThrough: number;
  /** See `StreamState.forgottenThrough`. */
  readonly forgottenThrough: number;
}

/** Reads one shard's keys. */
export class ShardReader {
  readonly keys: ShardKeys;
  readonly #link: RedisLink;
  readonly #replicas: number;
  readonly #size = new AnswerSize();

  constructor(link: RedisLink, { options }: RedisAddress, shard: number) {
    this.#link = link;
    this.#replicas = options.replicas;
    this.keys = shardKeys(options.prefix, shard);
  }

  async state(limits: RunLimits = {}): Promise<ShardState> {
    const { meta, confirmed } = this.keys;
    const fields = ['epoch', 'head', 'at', 'pruned', 'forgotten'];
    const values = (await this.#link.command(
      limits,
      'HMGET',
      meta,
      ...fields,
    )) as (Buffer | null)[];
    const [epoch, written, lastRecordedAt, prunedThrough, forgottenThrough] = values.map((value) =>
      value?.toString(),
    );
    const head = this.#replicas === 0 ? Number(written) : await this.#confirmed(limits, confirmed);
    return {
      epoch,
      head: Math.min(head, Number(written ?? 0)),
      written: Number(written ?? 0),
      lastRecordedAt: Number(lastRecordedAt ?? 0),
      prunedThrough: Number(prunedThrough ?? 0),
      forgottenThrough: Number(forgottenThrough ?? 0),
    };
  }

  async fetch(
    limits: RunLimits,
    after: number,
    until: number,
    limit?: number,
  ): Promise<StreamEntry[]> {
    const range = [idOf(after + 1), idOf(until), 'COUNT', this.#size.most(limit)];
    const entries = entriesOf(await this.#link.command(limits, 'XRANGE', this.keys.log, ...range));
    this.#size.note(entries);
    return entries;
  }

  /** See `LogStream.topics`. */
  async topics(limits: RunLimits, names: readonly string[]): Promise<TopicSummary[]> {
    const rows = await this.#link.command(limits, 'HMGET', this.keys.topics, ...names);
    return names.flatMap((name, index) => {
      const row = (rows as (Buffer | null)[])[index];
      return row ? [topicOfRow(name, row)] : [];
    });
  }

  async #confirmed(limits: RunLimits, key: string): Promise<number> {
    const reply = await this.#link.command(limits, 'XREVRANGE', key, '+', '-', 'COUNT', 1);
    const [entry] = reply as [id: Buffer, fields: Buffer[]][];
    return entry === undefined ? 0 : sequenceOfId(entry[0]);
  }
}
