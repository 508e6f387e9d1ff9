import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { idOf } from './entries.js';
import type { ShardKeys } from './keys.js';
import type { RedisAddress } from './redis-address.js';
import { replyCode } from './redis-errors.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { PROBE } from './store-scripts.js';

const NO_IDENTITY: Buffer = Buffer.alloc(0);

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
    const { replicas, waitMs } = this.#address.options;
    const { until = Number.POSITIVE_INFINITY } = limits;
    if (replicas === 0) return;
    for (;;) {
      const lookMs = Math.ceil(Math.min(waitMs, Math.max(1, until - elapsedMs())));
      const count = await this.#replicasWith(sequence, identity, lookMs, limits);
      if (count >= replicas) break;
      if (this.#isClosed) throw new BusError('STORE_FAILED', 'the log was closed');
      if (elapsedMs() < until) continue;
      const message = `${count} replicas have event ${sequence}, and ${replicas} are to have it`;
      throw new BusError('STORE_FAILED', `${this.#link.place}: ${message}`, {
        details: { setting: 'replicas' },
      });
    }
    await this.#publish(sequence);
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
    return this.#link.run(async (client) => {
      const [has, count] = await PROBE.runAndWait(
        client,
        [meta, ids],
        args,
        options.replicas,
        waitMs,
      );
      if (has === 1) return count;
      throw new BusError('STORE_FAILED', `${this.#link.place} has lost event ${sequence}`);
    }, limits);
  }

  /** Another node may have published as much or more. */
  async #publish(sequence: number): Promise<void> {
    const { confirmed } = this.#keys;
    await this.#link.run(async (client) => {
      try {
        await client.callBuffer('XADD', confirmed, 'MAXLEN', 1, idOf(sequence), 'c', 1);
      } catch (error) {
        if (replyCode(error) !== 'ERR') throw error;
      }
    });
  }
}
