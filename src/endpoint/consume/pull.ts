/**
 * Takes events that are there, or waits for the first one. Their leases outlive the endpoint; the member stays until
 * each of them is settled or has run out. Used by the endpoint's thread alone.
 */
import type { BusError } from '../../protocol/errors.js';
import type { BusDelivery } from './delivery.js';
import type { Member, Taker } from './member.js';
import type { Members } from './members.js';
import type { MemberConsumer } from './membership.js';

export class Pull implements Taker {
  readonly #max: number;
  readonly #members: Members;
  readonly #member: Member;
  readonly #taken: BusDelivery[] = [];
  #onFirst: () => void = () => {};
  #failure: BusError | undefined;

  /** @throws BusError as `Members.add` */
  constructor(consumer: MemberConsumer, max: number, members: Members) {
    this.#max = max;
    this.#members = members;
    const options = { concurrency: max, prefetch: false, isDetached: true };
    this.#member = members.add(consumer, options, this);
  }

  /** @throws BusError the failure of a shard, `BUS_CLOSED`, `CONSUMER_UNKNOWN` */
  async take(waitMs: number): Promise<BusDelivery[]> {
    if (waitMs > 0) await this.#first(waitMs);
    if (this.#taken.length < this.#max && this.#failure === undefined)
      await this.#member.shardsHaveLeased();
    await this.#member.collected();
    this.flush();
    const taken = this.#taken.filter(({ isLost }) => !isLost);
    if (this.#failure !== undefined && taken.length === 0) throw this.#failure;
    this.#members.release(this.#member);
    void this.#member.left();
    return taken;
  }

  flush(): void {
    for (let one = this.#member.begin(); one !== undefined; one = this.#member.begin()) {
      this.#taken.push(one);
      this.#onFirst();
    }
  }

  onOver(delivery: BusDelivery): void {
    this.#member.release(delivery);
  }

  onEnded(error: BusError): void {
    this.#failure = error;
    this.#onFirst();
  }

  #first(waitMs: number): Promise<void> {
    if (this.#taken.length > 0 || this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#onFirst = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
