import { clientNetwork } from '../../auth/client-network.js';
import { TokenBucket } from '../../auth/token-bucket.js';
import { ADDRESSES_RATED_MAX } from '../../protocol/limits.js';

/** One rate for each `clientNetwork`. When there are too many, the one that was not seen for longest is forgotten. One thread. */
export class AddressRates {
  readonly perSecond: number;
  /** By network; the one seen last is the last. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** 0 if one more may pass now, else the milliseconds after which it may. Takes nothing. */
  waitMs(address: string): number {
    return this.#buckets.get(clientNetwork(address))?.waitMs(1) ?? 0;
  }

  /** As `waitMs`; where it answers 0, one is taken. */
  take(address: string): number {
    return this.perSecond === 0 ? 0 : this.#bucket(address).take(1);
  }

  /** Takes one of what has passed already. */
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
