import type { AckDurability } from '../../protocol/consumers.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { BusDelivery } from './delivery.js';

/** Settlements as the clients of gateways ask for them: by the name of what they want. */

export interface Settling {
  /** `handBack`: a planned `nak` that costs no attempt. */
  readonly kind: 'ack' | 'nak' | 'handBack' | 'term' | 'working';
  /** Of `ack`. Default: the consumer's. */
  readonly durability?: AckDurability;
  /** Of `nak` and `handBack`, ms. */
  readonly delayMs?: number;
  /** Of `nak` and `term`. */
  readonly reason?: string;
}

export interface Settled {
  /** After `working`: what is left of the lease, ms. */
  readonly leaseMs?: number;
}

/** @throws BusError `LEASE_LOST`, `OPTION_INVALID`, `BUS_CLOSED` */
export async function settle(delivery: BusDelivery, what: Settling): Promise<Settled> {
  const { kind, durability, delayMs, reason } = what;
  switch (kind) {
    case 'ack':
      await delivery.ack(durability === undefined ? {} : { durability });
      return {};
    case 'nak':
    case 'handBack':
      await delivery.nak({
        ...(kind === 'handBack' ? { count: false } : {}),
        ...(delayMs === undefined ? {} : { delayMs }),
        ...(reason === undefined ? {} : { reason }),
      });
      return {};
    case 'term':
      await delivery.term(reason ?? '');
      return {};
    case 'working':
      await delivery.working();
      return { leaseMs: leaseMsOf(delivery) };
  }
}

/** What is left of the lease, whole ms. */
export function leaseMsOf({ deadline }: Pick<BusDelivery, 'deadline'>): number {
  return Math.max(0, Math.floor(deadline - elapsedMs()));
}
