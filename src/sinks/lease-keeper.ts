import type { Delivery } from '../protocol/consumers.js';

/**
 * Extends the leases of deliveries that a sink holds while a disk or another bus is away, so that a wait costs no attempt.
 * A lease that cannot be extended is lost, which the delivery's signal says. One sink has it; single-threaded.
 */
export class LeaseKeeper {
  readonly #held = new Set<Delivery>();
  #timer: NodeJS.Timeout | undefined;

  get count(): number {
    return this.#held.size;
  }

  start(leaseMs: number): void {
    this.#timer = setInterval(() => {
      for (const delivery of this.#held) delivery.working().catch(() => {});
    }, leaseMs / 3);
  }

  add(delivery: Delivery): void {
    this.#held.add(delivery);
  }

  /** The delivery is settled, or another holder's. */
  remove(delivery: Delivery): void {
    this.#held.delete(delivery);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
