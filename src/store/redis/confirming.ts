import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { idOf } from './entries.js';
import type { ShardKeys } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { CONFIRM, PROBE } from './store-scripts.js';

const NO_IDENTITY: Buffer = Buffer.alloc(0);
const RETRY_MS = 50;

/** Waits until the replicas have an event, and then lets all nodes show it. Without replicas it has nothing to do. */
export class Confirming {
  readonly #link: RedisLink;
  readonly #keys: ShardKeys;
  readonly #address: RedisAddress;
  #isClosed = false;

  constructor(link: RedisLink, keys: ShardKeys, address: RedisAddress) {
    this.#link = link;
    this.#keys = keys;
    this.#address = address;
  }

  /**
   * Resolves when the replicas have all events up to a sequence. `identity` is that of the last one.
   * @throws BusError `STORE_FAILED` if Redis has lost the event, or it is too late
   */
  async confirm(sequence: number, identity = NO_IDENTITY, limits: RunLimits = {}): Promise<void> {
    const { replicas, waitMs, idleTimeoutMs } = this.#address.options;
    const { until = Number.POSITIVE_INFINITY } = limits;
    if (replicas === 0) return;
    for (;;) {
      // Redis says nothing while it waits, which must not look like a dead connection.
      const longest = Math.min(waitMs, idleTimeoutMs / 2);
      const lookMs = Math.ceil(Math.min(longest, Math.max(1, until - elapsedMs())));
      const count = await this.#replicasWith(sequence, identity, lookMs, limits);
      if (count >= replicas) break;
      if (this.#isClosed) throw new BusError('STORE_FAILED', 'the log was closed');
      if (elapsedMs() < until) continue;
      const message = `${count} replicas have event ${sequence}, and ${replicas} are to have it`;
      throw new BusError('STORE_FAILED', `${this.#link.place}: ${message}`, {
        details: { setting: 'replicas' },
      });
    }
    await this.#whereThereIsRoom(() => {
      return this.#link.script({}, CONFIRM, [this.#keys.confirmed], [idOf(sequence)]);
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  async #replicasWith(
    sequence: number,
    identity: Buffer,
    waitMs: number,
    limits: RunLimits,
  ): Promise<number> {
    const { meta, ids } = this.#keys;
    const { epoch, options } = this.#address;
    const args = [epoch, sequence, identity];
    return this.#whereThereIsRoom(() =>
      this.#link.run(async (client) => {
        const [has, count] = await PROBE.runAndWait(
          client,
          [meta, ids],
          args,
          options.replicas,
          waitMs,
        );
        if (has === 1) return count;
        throw new BusError('STORE_FAILED', `${this.#link.place} has lost event ${sequence}`);
      }, limits),
    );
  }

  /** A Redis whose disk is full refuses every write. The event is stored already, so that its publisher waits. */
  async #whereThereIsRoom<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        const isFull = error instanceof BusError && error.code === 'STORE_FULL';
        if (!isFull || this.#isClosed) throw error;
        await afterMs(RETRY_MS);
      }
    }
  }
}
