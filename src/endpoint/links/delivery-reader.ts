/**
 * Reads one delivery ring: passes events and states to the handler, members' records to theirs, and acks and
 * answers to the link's sending side.
 * There is one per shard in every endpoint; used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { DELIVERY_CHANNEL, type LinkEnd } from '../../link/link.js';
import {
  DELIVERY_ACK,
  DELIVERY_EVENT,
  DELIVERY_REPLY,
  DELIVERY_STATE,
  STATE_BODY,
  STATE_STATE,
  STATE_SUBSCRIPTION,
  type StateBody,
} from '../../link/link-records.js';
import { DELIVERIES_PER_TURN } from '../../protocol/limits/endpoint.js';
import { BufferInbox } from '../../ring/buffer-inbox.js';
import { RecordReceiver } from '../../ring/record-channel.js';
import { RingConsumer } from '../../ring/ring.js';
import type { EndpointEnd } from './endpoint-end.js';

/** The endpoint's handling of the messages that a shard sends. */
export interface DeliveryHandler {
  onEvent(end: EndpointEnd, bytes: Buffer, offset: number, length: number): void;
  onState(end: EndpointEnd, subscription: number, state: number, body: StateBody): void;
  /** There may be room again for the credit that a subscription owes. */
  payCredit(end: EndpointEnd, subscription: number): void;
}

/** The endpoint's handling of the records for consumers' members. */
export interface MemberHandler {
  /** A record of `link/consumer-records.ts`; its memory is the ring's. */
  onRecord(end: EndpointEnd, type: number, bytes: Buffer, offset: number, length: number): void;
}

export class DeliveryReader {
  readonly #end: EndpointEnd;
  readonly #handler: DeliveryHandler;
  readonly #members: MemberHandler;
  readonly #ring: RingConsumer;
  readonly #inbox: BufferInbox;
  readonly #records: RecordReceiver;

  constructor(
    linkEnd: LinkEnd,
    end: EndpointEnd,
    handler: DeliveryHandler,
    members: MemberHandler,
  ) {
    this.#end = end;
    this.#handler = handler;
    this.#members = members;
    this.#ring = new RingConsumer(linkEnd.memory.deliveryRing);
    this.#inbox = new BufferInbox(linkEnd.port);
    this.#records = new RecordReceiver(this.#ring, this.#inbox, DELIVERY_CHANNEL);
  }

  /** True if there is nothing to read and no requested room has come; see `EndpointEnd.roomHasCome`. */
  get isIdle(): boolean {
    return !this.#end.roomHasCome && this.#ring.isEmpty();
  }

  /** Takes a message of the link's port: a doorbell, or the buffer of a large record. */
  accept(message: unknown): void {
    this.#inbox.accept(message);
  }

  /** Takes up to `limit` records from the shard and returns how many. */
  drain(limit: number): number {
    const end = this.#end;
    end.noteRoom();
    // Read before the ring: events that were written before the watermark was set are in the ring then.
    const watermark = this.#ring.durableWatermark;
    const read = this.#records.read(this.#onRecord, limit);
    // A watermark of the shard's next thread does not count yet: that thread does not have the subscriptions.
    if (end.isCurrent && this.#ring.isEmpty()) end.watermark = watermark;
    if (this.#records.release()) end.wake();
    if (end.owesCredit) end.payCredit(this.#payCredit);
    end.sendWaiting();
    return read;
  }

  /** Reads the ring to its end. */
  drainWhole(): void {
    while (this.drain(DELIVERIES_PER_TURN) > 0);
  }

  /** The shard's thread was replaced, and with it the port. */
  relink(port: MessagePort): void {
    this.#inbox.relink(port);
  }

  readonly #payCredit = (subscription: number): void => {
    this.#handler.payCredit(this.#end, subscription);
  };

  readonly #onRecord = (type: number, bytes: Buffer, offset: number, length: number): void => {
    if (type === DELIVERY_EVENT) this.#handler.onEvent(this.#end, bytes, offset, length);
    else if (type === DELIVERY_ACK) this.#end.onAck(bytes, offset, length);
    else if (type === DELIVERY_REPLY) this.#end.onReply(bytes, offset, length);
    else if (type !== DELIVERY_STATE) {
      this.#members.onRecord(this.#end, type, bytes, offset, length);
    } else {
      const body = JSON.parse(bytes.toString('utf8', offset + STATE_BODY, offset + length));
      const subscription = bytes.readInt32LE(offset + STATE_SUBSCRIPTION);
      this.#handler.onState(this.#end, subscription, bytes.readInt32LE(offset + STATE_STATE), body);
    }
  };
}
