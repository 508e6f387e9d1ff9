import { TokenBucket } from '../../auth/token-bucket.js';
import { ADDRESSES_RATED_MAX } from '../../protocol/limits.js';

/** One rate for each address. Of those that are not seen any more, it forgets the one unseen longest. One thread. */
export class AddressRates {
  readonly perSecond: number;
  /** The one seen last is the last. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** 0 if one more may pass now, else the milliseconds after which it may. Takes nothing. */
  waitMs(address: string): number {
    return this.#buckets.get(address)?.waitMs(1) ?? 0;
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
    const bucket = this.#buckets.get(address) ?? new TokenBucket(this.perSecond);
    this.#buckets.delete(address);
    if (this.#buckets.size >= ADDRESSES_RATED_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(address, bucket);
    return bucket;
  }
}
