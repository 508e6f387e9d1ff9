import type { Principal } from '../../auth/principal.js';
import type {
  ClientDelivery,
  ClientMember,
  ClientTaker,
  KnownConsumer,
  Settled,
} from '../../endpoint/internals.js';
import type { ConsumerPayloads, WireSettlement } from '../../protocol/consumer-frames.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { CONSUMER_MEMBERS_PER_CONNECTION_MAX } from '../../protocol/limits/consumers.js';
import { quote } from '../../protocol/quote.js';
import type { RequestPayload } from '../../protocol/wire.js';
import type { ConsumerAsker } from '../consumers/consumer-asker.js';
import type { GatewayConsumers } from '../consumers/gateway-consumers.js';
import { assertMayConsume } from '../consumers/permitted.js';
import { errorData } from '../error-data.js';
import type { EventTexts } from '../event-texts.js';
import { DeliveryFrames } from './delivery-frames.js';
import { frameText } from './frames.js';
import type { Outbound } from './outbound.js';

/**
 * The members of consumers that one connection has. Deliveries stop while the connection is congested. When it ends, its
 * members have died, and what was out goes to others at once.
 */
export class ClientMembers {
  readonly #consumers: GatewayConsumers;
  readonly #outbound: Outbound;
  #texts: EventTexts;
  /** By the client's names for them; those that join have their places already. */
  readonly #named = new Map<string, MemberOfClient>();
  /** Also those that have left, while something of theirs is out. */
  readonly #all = new Set<MemberOfClient>();
  /** How the members end with the connection. */
  #end: 'left' | 'died' | undefined;

  constructor(consumers: GatewayConsumers, outbound: Outbound, texts: EventTexts) {
    this.#consumers = consumers;
    this.#outbound = outbound;
    this.#texts = texts;
  }

  /** @throws BusError `SUBSCRIPTION_EXISTS`, `LIMIT_EXCEEDED`, and as `GatewayConsumers.join` */
  async join(asker: ConsumerAsker, payload: RequestPayload<'join'>): Promise<MemberOfClient> {
    const { member: name, ...request } = payload;
    this.#checkRoom(name);
    const leavePlace = asker.budget.places.take('members');
    const forget = (): void => this.#forget(name, one);
    const about = { name, leavePlace, forget };
    const one: MemberOfClient = new MemberOfClient(about, this.#outbound, this.#texts);
    this.#named.set(name, one);
    this.#all.add(one);
    try {
      const member = await this.#consumers.join(asker, request, (consumer) => one.of(consumer));
      one.member = member;
      if (this.#end !== undefined) void member.leave(this.#end);
      return one;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** @throws BusError `SUBSCRIPTION_UNKNOWN` */
  find(name: string): MemberOfClient {
    const found = this.#named.get(name);
    if (found?.member !== undefined) return found;
    const message = `this connection has no member ${quote(name)}`;
    throw new BusError('SUBSCRIPTION_UNKNOWN', message, { details: { member: quote(name) } });
  }

  /** Takes no more for this member; resolves when no delivery comes any more. What is out goes on. */
  async leave(name: string): Promise<void> {
    const one = this.find(name);
    this.#named.delete(name);
    await one.member!.drain();
    one.flush();
    one.hasLeft = true;
    one.forgetIfIdle();
  }

  /** Settles a lease that is out with this connection; undefined if it is not. */
  settle({ lease, ...what }: WireSettlement): Promise<Settled> | undefined {
    for (const { member } of this.#all) {
      const settled = member?.settle(lease, what);
      if (settled !== undefined) return settled;
    }
    return undefined;
  }

  /** Acknowledges a lease that is out with this connection, with events; undefined if it is not. */
  ackAndPublish(
    lease: string,
    events: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> | undefined {
    for (const { member } of this.#all) {
      const acks = member?.ackAndPublish(lease, events, options);
      if (acks !== undefined) return acks;
    }
    return undefined;
  }

  /** Takes the grants of a renewed token; members of consumers that they do not cover end with `FORBIDDEN`. */
  renew(principal: Principal, texts: EventTexts): void {
    this.#texts = texts;
    for (const one of [...this.#all]) {
      try {
        if (one.consumer !== undefined) assertMayConsume(principal, one.consumer.name);
        one.show(texts);
      } catch (error) {
        one.expel(error);
      }
    }
  }

  /** The connection has ended. */
  async close(end: 'left' | 'died'): Promise<void> {
    this.#end ??= end;
    const all = [...this.#all];
    this.#named.clear();
    this.#all.clear();
    for (const one of all) one.leavePlace();
    await Promise.allSettled(all.map((one) => one.member?.leave(this.#end!)));
  }

  #checkRoom(name: string): void {
    if (this.#named.has(name)) {
      const message = `this connection has a member ${quote(name)} already`;
      throw new BusError('SUBSCRIPTION_EXISTS', message, { details: { member: quote(name) } });
    }
    const limit = CONSUMER_MEMBERS_PER_CONNECTION_MAX;
    if (this.#all.size < limit) return;
    const message = `this connection has ${limit} members of consumers, which is the limit`;
    throw new BusError('LIMIT_EXCEEDED', message, { details: { limit, limitOf: 'connection' } });
  }

  #forget(name: string, one: MemberOfClient): void {
    one.leavePlace();
    this.#all.delete(one);
    if (this.#named.get(name) === one) this.#named.delete(name);
  }
}

interface MemberParts {
  readonly name: string;
  readonly leavePlace: () => void;
  readonly forget: () => void;
}

/** One member of the connection: writes what it gets into frames. */
export class MemberOfClient implements ClientTaker {
  consumer: KnownConsumer | undefined;
  /** Undefined while it joins. */
  member: ClientMember | undefined;
  /** It takes nothing more. */
  hasLeft = false;
  /** Gives its place among those of the principal back. */
  readonly leavePlace: () => void;
  readonly #name: string;
  readonly #outbound: Outbound;
  readonly #frames: DeliveryFrames;
  readonly #forget: () => void;
  /** Held back until the client knows that it has joined. */
  #held: (() => void)[] | undefined = [];
  /** Leases to be told of in the end of this turn. */
  #lost: string[] = [];

  constructor({ name, leavePlace, forget }: MemberParts, outbound: Outbound, texts: EventTexts) {
    this.leavePlace = leavePlace;
    this.#name = name;
    this.#outbound = outbound;
    this.#frames = new DeliveryFrames(name, outbound, texts);
    this.#forget = forget;
  }

  of(consumer: KnownConsumer): this {
    this.consumer = consumer;
    return this;
  }

  /** The payload of `joined`. */
  get joined(): ConsumerPayloads['joined'] {
    const { leaseMs, ackDurability, maxAttempts } = this.consumer!.definition;
    return { member: this.#name, leaseMs, ackDurability, maxAttempts };
  }

  /** The client knows that it has joined. */
  announce(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const one of held) one();
  }

  get hasRoom(): boolean {
    return !this.#outbound.isCongested && this.#outbound.isOpen;
  }

  async room(): Promise<void> {
    await this.#outbound.relieved();
    // Without a socket there is never room again; the connection's end is about to take the member out.
    if (!this.#outbound.isOpen) await new Promise(() => {});
  }

  take(delivery: ClientDelivery): void {
    this.#inOrder(() => this.#frames.add(delivery));
  }

  onLost(lease: string): void {
    this.#inOrder(() => {
      if (this.#lost.push(lease) === 1) this.#outbound.flushAtEndOfTurn(this);
    });
    this.forgetIfIdle();
  }

  onEnded(error: BusError): void {
    this.#forget();
    this.#inOrder(() => {
      this.flush();
      const { code, message } = errorData(error);
      this.#outbound.send(frameText('memberEnded', { member: this.#name, code, message }));
    });
  }

  flush(): void {
    this.#frames.flush();
    const leases = this.#lost;
    this.#lost = [];
    if (leases.length === 0) return;
    this.#outbound.send(frameText('leaseLost', { member: this.#name, leases }));
  }

  show(texts: EventTexts): void {
    this.#frames.show(texts);
  }

  /** Ends it, and tells the client why. */
  expel(error: unknown): void {
    void this.member?.leave('left');
    this.onEnded(error as BusError);
  }

  /** After it has left, it is kept only for what is out. */
  forgetIfIdle(): void {
    if (this.hasLeft && this.member?.out === 0) this.#forget();
  }

  #inOrder(write: () => void): void {
    if (this.#held === undefined) write();
    else this.#held.push(write);
  }
}
