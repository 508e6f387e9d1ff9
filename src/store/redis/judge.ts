import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { beginOtherEpoch, otherEpoch } from './epochs.js';
import { shardKeys } from './keys.js';
import type { KnownEvent } from './known-event.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import { JUDGE } from './store-scripts.js';

/** A Redis that lacks an event for so long has lost it, ms: by then a replica that was behind has caught up. */
const LOST_AFTER_MS = 2000;
const RETRY_MS = 200;

type Judgement = 'OK' | 'GONE' | 'EPOCH';

/**
 * Says whether a shard's history is still that which its readers know. It asks the Redis that takes writes, as a replica may be
 * behind, and asks again for a while, on new connections, before it ends the epoch of all nodes.
 */
export class Judge {
  readonly #link: RedisLink;
  readonly #address: RedisAddress;
  readonly #shard: number;

  constructor(link: RedisLink, address: RedisAddress, shard: number) {
    this.#link = link;
    this.#address = address;
    this.#shard = shard;
  }

  /** Whether the history goes on in which Redis had this event. If not, another epoch has begun, which this may do. */
  async goesOn(known: KnownEvent, limits: RunLimits = {}, patienceMs?: number): Promise<boolean> {
    const judgement = await this.#patiently(known, limits, patienceMs);
    if (judgement === 'GONE') await beginOtherEpoch(this.#link, this.#address, this.#shard);
    return judgement === 'OK';
  }

  /** @throws BusError `STORE_FAILED` if the history does not go on */
  async assert(known: KnownEvent, limits: RunLimits = {}): Promise<void> {
    if (!(await this.goesOn(known, limits))) throw otherEpoch(this.#link.place, this.#shard);
  }

  /** Whether Redis has lost an event that nobody has been shown. */
  async hasLost(known: KnownEvent): Promise<boolean> {
    return (await this.#patiently(known, {})) !== 'OK';
  }

  async #patiently(
    known: KnownEvent,
    limits: RunLimits,
    patienceMs = LOST_AFTER_MS,
  ): Promise<Judgement> {
    const begun = elapsedMs();
    for (;;) {
      const judgement = await this.#ask(known, limits);
      const isOver = elapsedMs() - begun >= patienceMs;
      if (judgement === 'OK' || (isOver && judgement !== undefined)) return judgement;
      this.#link.renew();
      await afterMs(RETRY_MS);
    }
  }

  /** Undefined where Redis does not say, as it takes no writes. */
  async #ask({ sequence, seal }: KnownEvent, limits: RunLimits): Promise<Judgement | undefined> {
    const { options, epoch } = this.#address;
    const { meta, log } = shardKeys(options.prefix, this.#shard);
    try {
      const said = await this.#link.script(limits, JUDGE, [meta, log], [epoch, sequence, seal]);
      return String(said) as Judgement;
    } catch (error) {
      if (error instanceof BusError && error.code === 'STORE_FULL') return undefined;
      throw error;
    }
  }
}
