import type { StreamEntry } from '../shared/log-stream.js';
import type { Judge } from './judge.js';
import { isSame, type KnownEvent } from './known-event.js';
import { ConnectionLost, type RedisLink, type RunLimits } from './redis-link.js';
import type { ShardReader } from './shard-reader.js';

/** Reads a shard's entries, and looks on each new connection first whether its Redis has the history of before. */
export class GuardedReader {
  readonly #link: RedisLink;
  readonly #reader: ShardReader;
  readonly #judge: Judge;
  readonly #known: () => KnownEvent;
  #generation = -1;

  constructor(link: RedisLink, reader: ShardReader, judge: Judge, known: () => KnownEvent) {
    this.#link = link;
    this.#reader = reader;
    this.#judge = judge;
    this.#known = known;
  }

  /** @throws BusError `STORE_FAILED` where history went backwards */
  async fetch(
    limits: RunLimits,
    after: number,
    until: number,
    limit?: number,
  ): Promise<StreamEntry[]> {
    for (;;) {
      const { generation } = this.#link;
      try {
        if (generation !== this.#generation) await this.#look(limits, generation);
        this.#generation = generation;
        return await this.#reader.fetch({ ...limits, generation }, after, until, limit);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  async #look(limits: RunLimits, generation: number): Promise<void> {
    const known = this.#known();
    const { sequence } = known;
    if (sequence === 0) return;
    const onThis = { ...limits, generation };
    const [found] = await this.#reader.fetch(onThis, sequence - 1, sequence, 1);
    if (found !== undefined && isSame(found, known)) return;
    await this.#judge.assert(known, limits);
    // It has been removed, or a replica has answered that is behind.
    const { prunedThrough } = await this.#reader.state(onThis);
    if (sequence <= prunedThrough) return;
    this.#link.renew(generation);
    throw new ConnectionLost();
  }
}
