import type { SettleKind } from '../../handout/consume/held-delivery.js';
import type { WireConsumer, WireDelivery } from '../../protocol/consumer-frames.js';
import { RemoteDelivery, type RemoteOwner } from './remote-delivery.js';
import type { RemoteSaid, Settler } from './settler.js';

/**
 * Events that a client has pulled. Their leases are no member's: they outlive the connection, and can be settled over
 * the next one.
 */
export class RemotePull implements RemoteOwner {
  readonly consumer: WireConsumer;
  readonly #settler: Settler;

  constructor(consumer: WireConsumer, settler: Settler) {
    this.consumer = consumer;
    this.#settler = settler;
  }

  take(deliveries: readonly WireDelivery[]): RemoteDelivery[] {
    return deliveries.map((wire) => {
      const delivery = new RemoteDelivery(this, wire);
      delivery.state = 'begun';
      return delivery;
    });
  }

  say(
    delivery: RemoteDelivery,
    kind: SettleKind,
    delayMs: number | undefined,
    reason: string,
  ): RemoteSaid {
    const said: RemoteSaid = {
      delivery,
      kind,
      delayMs,
      reason,
      isDetached: true,
      outcome: undefined,
      onDecided: undefined,
      // The server tells nobody of a lost lease that is no member's.
      onOver: () => {
        if (said.outcome === 'lost' && !delivery.isLost) delivery.lose();
      },
    };
    this.#settler.add(said);
    return said;
  }

  onExpired(delivery: RemoteDelivery): void {
    delivery.lose();
  }
}
