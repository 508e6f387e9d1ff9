/**
 * One event that a shard has leased to a member of this endpoint. Used by the endpoint's thread alone.
 */
import { HeldDelivery, type SettleKind } from '../../handout/consume/held-delivery.js';
import type { AckAndPublishOptions, AckDurability } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../protocol/event.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { leaseText } from './lease-text.js';
import type { Settlement } from './settlements.js';

/** The member, as its deliveries see it. */
export interface DeliveryOwner {
  readonly consumer: {
    readonly id: string;
    readonly name: string;
    readonly definition: { readonly leaseMs: number; readonly ackDurability: AckDurability };
  };
  /** Sends a settlement with others of this turn. @param delayMs undefined: the consumer's backoff */
  settle(
    delivery: BusDelivery,
    kind: SettleKind,
    delayMs: number | undefined,
    reason: string,
  ): Settlement;
  ackAndPublish(
    delivery: BusDelivery,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]>;
  /** What `ackAndPublish` has asked for was decided. */
  onPublished(delivery: BusDelivery): void;
}

/** What the shard has leased. */
export interface Lease {
  readonly shard: number;
  readonly sequence: number;
  readonly lease: number;
  readonly attempt: number;
  /** When it runs out, a time of `elapsedMs`. */
  readonly deadline: number;
  /** The event goes out while nothing else is in hand. */
  readonly isAlone: boolean;
}

export class BusDelivery<P = unknown> extends HeldDelivery<P> {
  readonly shard: number;
  readonly sequence: number;
  readonly number: number;
  readonly #owner: DeliveryOwner;

  constructor(owner: DeliveryOwner, lease: Lease, event: Event<P>) {
    super(lease, event);
    this.#owner = owner;
    this.shard = lease.shard;
    this.sequence = lease.sequence;
    this.number = lease.lease;
  }

  get lease(): string {
    return leaseText(this.#owner.consumer.id, this);
  }

  protected now(): number {
    return elapsedMs();
  }

  protected get defaults() {
    return this.#owner.consumer.definition;
  }

  protected say(kind: SettleKind, delayMs: number | undefined, reason: string): Settlement {
    return this.#owner.settle(this as BusDelivery, kind, delayMs, reason);
  }

  protected sendAckAndPublish(
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    return this.#owner.ackAndPublish(this as BusDelivery, inputs, options);
  }

  protected onPublished(): void {
    this.#owner.onPublished(this as BusDelivery);
  }

  /** Forgets the event: it was sent on, and only what becomes of the lease counts from now on. */
  sentOn(): void {
    (this as { event: unknown }).event = undefined;
  }

  protected lostError(what: string): BusError {
    const { shard, sequence, number: lease } = this;
    const { name } = this.#owner.consumer;
    return new BusError(
      'LEASE_LOST',
      `lease ${lease} of event ${sequence} of shard ${shard} of consumer '${name}' ${what}`,
      { details: { consumer: name, shard, sequence, lease } },
    );
  }
}
