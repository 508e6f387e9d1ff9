/**
 * A member for a client of a gateway: what is leased to it goes to the client as long as the client has room, and is out
 * until the client settles it, loses it, or goes away. While the client has no room, nothing is leased. Used by the
 * endpoint's thread alone.
 */

import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../protocol/event.js';
import type { BusDelivery } from './delivery.js';
import type { Member, Taker } from './member.js';
import type { Members } from './members.js';
import type { MemberConsumer, MemberOptions } from './membership.js';
import { leaseMsOf, type Settled, type Settling, settle } from './settling.js';

/** An event on its way to a client. */
export interface ClientDelivery {
  /** The lease as text. */
  readonly lease: string;
  readonly attempt: number;
  /** What is left of the lease, ms. */
  readonly leaseMs: number;
  readonly event: Event;
}

/** The client, as its member sees it. */
export interface ClientTaker {
  /** False while the client has to take what it was sent first. */
  readonly hasRoom: boolean;
  /** Resolves when it has room, or is gone. */
  room(): Promise<void>;
  take(delivery: ClientDelivery): void;
  /** The lease has ended, and the client did not end it. */
  onLost(lease: string): void;
  /** The member can go on no longer. */
  onEnded(error: BusError): void;
}

export interface ClientMemberOptions {
  readonly concurrency: number;
  readonly prefetch: boolean;
  readonly name?: string | undefined;
  readonly client: NonNullable<MemberOptions['client']>;
}

export class ClientMember implements Taker {
  readonly #client: ClientTaker;
  readonly #member: Member;
  /** What is with the client, by the leases' texts. */
  readonly #out = new Map<string, BusDelivery>();
  #isOver = false;
  #isWaitingForRoom = false;

  /** @throws BusError as `Members.add` */
  constructor(
    consumer: MemberConsumer,
    options: ClientMemberOptions,
    client: ClientTaker,
    members: Members,
  ) {
    this.#client = client;
    this.#member = members.add(consumer, { ...options, sendsOn: true }, this);
    // The client keeps no process of the bus.
    members.release(this.#member);
  }

  get consumer(): MemberConsumer {
    return this.#member.consumer;
  }

  /** How many events are with the client. */
  get out(): number {
    return this.#out.size;
  }

  /** Settles a lease that is with the client; undefined if it is not. */
  settle(lease: string, what: Settling): Promise<Settled> | undefined {
    const delivery = this.#out.get(lease);
    return delivery && settle(delivery, what);
  }

  /** Acknowledges a lease that is with the client, with events; undefined if it is not. */
  ackAndPublish(
    lease: string,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> | undefined {
    return this.#out.get(lease)?.ackAndPublish(inputs, options);
  }

  resize(concurrency: number): void {
    this.#member.resize(concurrency);
  }

  /** Takes no more; resolves when nothing more will be handed to the client. What is out goes on. */
  async drain(): Promise<void> {
    this.#member.stop();
    await this.#member.collected();
    void this.#member.left();
  }

  /** Leaves whatever is out. `died`: the client has gone without a word, and what it had may have been its end. */
  async leave(how: 'left' | 'died'): Promise<void> {
    this.#isOver = true;
    this.#out.clear();
    this.#member.stop();
    await this.#member.leave(how);
  }

  flush(): void {
    while (!this.#isOver && this.#client.hasRoom) {
      const delivery = this.#member.begin();
      if (delivery === undefined) return;
      this.#hand(delivery);
    }
    if (!this.#isOver) void this.#waitForRoom();
  }

  onOver(delivery: BusDelivery): void {
    const { lease } = delivery;
    this.#member.release(delivery);
    const wasOut = this.#out.delete(lease);
    if (this.#isOver) return;
    if (wasOut && delivery.isLost) this.#client.onLost(lease);
    // What was leased ahead waits for this place.
    this.flush();
  }

  onEnded(error: BusError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#out.clear();
    this.#client.onEnded(error);
  }

  #hand(delivery: BusDelivery): void {
    const { lease, attempt, event } = delivery;
    this.#out.set(lease, delivery);
    this.#client.take({ lease, attempt, leaseMs: leaseMsOf(delivery), event });
    delivery.sentOn();
  }

  async #waitForRoom(): Promise<void> {
    if (this.#isWaitingForRoom) return;
    this.#isWaitingForRoom = true;
    this.#member.suspend();
    while (!this.#isOver && !this.#client.hasRoom) await this.#client.room();
    this.#isWaitingForRoom = false;
    if (!this.#isOver) this.#member.resume();
  }
}
