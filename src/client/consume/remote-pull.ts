import type { SettleKind } from '../../handout/consume/held-delivery.js';
import type { WireConsumer, WireDelivery } from '../../protocol/consumer-frames.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import type { Requests } from '../requests.js';
import {
  ackAndPublishText,
  groupError,
  RemoteDelivery,
  type RemoteOwner,
} from './remote-delivery.js';
import type { RemoteSaid, Settler } from './settler.js';

/** The client, as far as it sends events with acks. */
export interface GroupSender {
  readonly requests: Requests;
  /** Checks events for an atomic publish. @returns the members of the frame's payload besides the lease */
  groupText(inputs: readonly EventInput[], options: AckAndPublishOptions): string;
}

/**
 * Events that a client has pulled. Their leases are no member's: they outlive the connection, and can be settled over
 * the next one.
 */
export class RemotePull implements RemoteOwner {
  readonly consumer: WireConsumer;
  readonly #settler: Settler;
  readonly #host: GroupSender;

  constructor(consumer: WireConsumer, settler: Settler, host: GroupSender) {
    this.#host = host;
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

  async ackAndPublish(
    { lease }: RemoteDelivery,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    const payload = ackAndPublishText(lease, this.#host.groupText(inputs, options));
    try {
      const { signal } = options;
      return [...(await this.#host.requests.order('ackAndPublish', payload, { signal })).acks];
    } catch (error) {
      throw groupError(error);
    }
  }

  onPublished(): void {}

  onExpired(delivery: RemoteDelivery): void {
    delivery.lose();
  }
}
