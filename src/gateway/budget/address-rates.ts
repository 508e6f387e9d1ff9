import { clientNetwork } from '../../auth/client-network.js';
import { TokenBucket } from '../../auth/token-bucket.js';
import { ADDRESSES_RATED_MAX } from '../../protocol/limits/gateway.js';

/**
 * A rate for each `clientNetwork`, of at most `ADDRESSES_RATED_MAX`; beyond that the network that was not seen for
 * longest is forgotten. One thread.
 */
export class AddressRates {
  readonly perSecond: number;
  /** By network, in the order in which they were last seen. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** 0 if one more may pass now, else the milliseconds after which it may. Takes nothing. */
  waitMs(address: string): number {
    return this.#buckets.get(clientNetwork(address))?.waitMs(1) ?? 0;
  }

  /** Takes one if one may pass now, and returns 0; else returns the milliseconds after which one may. */
  take(address: string): number {
    return this.perSecond === 0 ? 0 : this.#bucket(address).take(1);
  }

  /** Counts one that has passed already, even above the rate. */
  spend(address: string): void {
    if (this.perSecond > 0) this.#bucket(address).spend(1);
  }

  #bucket(address: string): TokenBucket {
    const network = clientNetwork(address);
    const bucket = this.#buckets.get(network) ?? new TokenBucket(this.perSecond);
    this.#buckets.delete(network);
    if (this.#buckets.size >= ADDRESSES_RATED_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(network, bucket);
    return bucket;
  }
}
