import type { JoinOptions, Taker } from '../../handout/consume/taker.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import { Waiters } from '../../handout/waiters.js';
import type { WireConsumer } from '../../protocol/consumer-frames.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { CONSUMER_MEMBERS_PER_CONNECTION_MAX } from '../../protocol/limits/consumers.js';
import type { ServerFrame } from '../../protocol/wire.js';
import type { Requests } from '../requests.js';
import type { RemoteDelivery } from './remote-delivery.js';
import { type MemberHost, RemoteMember } from './remote-member.js';
import { Settler } from './settler.js';

/** All members of one client: numbers them, passes them the server's frames, and has them join over each connection. */

export interface MembersHost {
  readonly requests: Requests;
  readonly turns: Dispatcher;
  isConnected(): boolean;
  cut(error: BusError): void;
  /** As of `GroupSender`. */
  groupText(inputs: readonly EventInput[], options: AckAndPublishOptions): string;
}

export class RemoteMembers implements MemberHost {
  readonly requests: Requests;
  readonly turns: Dispatcher;
  readonly settler: Settler;
  readonly waiters = new Waiters();
  readonly #host: MembersHost;
  readonly #members = new Map<string, RemoteMember>();
  #lastNumber = 0;

  constructor(host: MembersHost) {
    this.requests = host.requests;
    this.turns = host.turns;
    this.#host = host;
    this.settler = new Settler({
      requests: host.requests,
      isConnected: () => host.isConnected(),
      cut: (error) => host.cut(error),
      onDecided: () => this.#onDecided(),
    });
  }

  readonly isConnected = (): boolean => this.#host.isConnected();

  readonly groupText: MembersHost['groupText'] = (inputs, options) =>
    this.#host.groupText(inputs, options);

  /** @throws BusError `LIMIT_EXCEEDED` */
  add(consumer: WireConsumer, options: JoinOptions, taker: Taker<RemoteDelivery>): RemoteMember {
    const limit = CONSUMER_MEMBERS_PER_CONNECTION_MAX;
    if (this.#members.size >= limit) {
      const message = `this client has ${limit} members of consumers, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit } });
    }
    const member = new RemoteMember(++this.#lastNumber, consumer, options, this, taker);
    this.#members.set(member.id, member);
    return member;
  }

  all(): readonly RemoteMember[] {
    return [...this.#members.values()];
  }

  cut(error: BusError): void {
    this.#host.cut(error);
  }

  forget(member: RemoteMember): void {
    this.#members.delete(member.id);
  }

  /** False if the frame is of another kind. @throws BusError `MESSAGE_INVALID` */
  take(frame: ServerFrame): boolean {
    switch (frame.type) {
      case 'deliveries':
        this.#members.get(frame.payload.member)?.onDeliveries(frame.payload.deliveries);
        return true;
      case 'leaseLost':
        this.#members.get(frame.payload.member)?.onLeaseLost(frame.payload.leases);
        return true;
      case 'memberEnded':
        this.#members.get(frame.payload.member)?.onEnded(frame.payload);
        return true;
      default:
        return false;
    }
  }

  connected(): void {
    this.settler.flush();
    for (const member of this.all()) member.join();
  }

  lost(): void {
    for (const member of this.all()) member.lost();
    this.settler.lost();
  }

  /** The client closes or has given up. What is settled in this turn is still sent, if there is a connection. */
  end(error: BusError): void {
    for (const member of this.all()) member.fail(error);
    this.settler.fail(error);
  }

  #onDecided(): void {
    for (const member of this.all()) member.resume();
    this.turns.dispatch();
  }
}
