/**
 * Reads one delivery ring: hands events, states and room for credit to whoever receives them, and acks and answers back to
 * the link's sending side. One per shard in every endpoint, used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { DELIVERY_CHANNEL, type LinkEnd } from '../../link/link.js';
import {
  DELIVERY_ACK,
  DELIVERY_EVENT,
  DELIVERY_REPLY,
  STATE_BODY,
  STATE_STATE,
  STATE_SUBSCRIPTION,
  type StateBody,
} from '../../link/link-records.js';
import { DELIVERIES_PER_TURN } from '../../protocol/limits.js';
import { BufferInbox } from '../../ring/buffer-inbox.js';
import { RecordReceiver } from '../../ring/record-channel.js';
import { RingConsumer } from '../../ring/ring.js';
import type { ShardProxy } from './shard-proxy.js';

/** What the endpoint does with what a shard sends. */
export interface DeliveryHandler {
  onEvent(proxy: ShardProxy, bytes: Buffer, offset: number, length: number): void;
  onState(proxy: ShardProxy, subscription: number, state: number, body: StateBody): void;
  /** There may be room for the credit of a subscription that found none. */
  payCredit(proxy: ShardProxy, subscription: number): void;
}

export class DeliveryReader {
  readonly #proxy: ShardProxy;
  readonly #handler: DeliveryHandler;
  readonly #ring: RingConsumer;
  readonly #inbox: BufferInbox;
  readonly #records: RecordReceiver;

  constructor(end: LinkEnd, proxy: ShardProxy, handler: DeliveryHandler) {
    this.#proxy = proxy;
    this.#handler = handler;
    this.#ring = new RingConsumer(end.memory.deliveryRing);
    this.#inbox = new BufferInbox(end.port);
    this.#records = new RecordReceiver(this.#ring, this.#inbox, DELIVERY_CHANNEL);
  }

  /** Nothing is there to be read, and room that was asked for has not come; see `ShardProxy.roomHasCome`. */
  get isIdle(): boolean {
    return !this.#proxy.roomHasCome && this.#ring.isEmpty();
  }

  /** A message came on the link's port: a doorbell, or the buffer of a long record. */
  accept(message: unknown): void {
    this.#inbox.accept(message);
  }

  /** Takes up to `limit` records from the shard and returns how many. */
  drain(limit: number): number {
    const proxy = this.#proxy;
    proxy.noteRoom();
    // The watermark first: what was written before it was set is then in the ring.
    const watermark = this.#ring.durableWatermark;
    const read = this.#records.read(this.#onRecord, limit);
    // One that a successor of the shard's thread has set speaks for subscriptions that it does not have yet.
    if (proxy.isCurrent && this.#ring.isEmpty()) proxy.watermark = watermark;
    if (this.#records.release()) proxy.wake();
    if (proxy.owesCredit) proxy.payCredit(this.#payCredit);
    proxy.sendWaiting();
    return read;
  }

  /** Takes all that there is. */
  drainWhole(): void {
    while (this.drain(DELIVERIES_PER_TURN) > 0);
  }

  /** The shard's thread was replaced, and with it the port. */
  relink(port: MessagePort): void {
    this.#inbox.relink(port);
  }

  readonly #payCredit = (subscription: number): void => {
    this.#handler.payCredit(this.#proxy, subscription);
  };

  readonly #onRecord = (type: number, bytes: Buffer, offset: number, length: number): void => {
    if (type === DELIVERY_EVENT) this.#handler.onEvent(this.#proxy, bytes, offset, length);
    else if (type === DELIVERY_ACK) this.#proxy.onAck(bytes, offset, length);
    else if (type === DELIVERY_REPLY) this.#proxy.onReply(bytes, offset, length);
    else {
      const body = JSON.parse(bytes.toString('utf8', offset + STATE_BODY, offset + length));
      const subscription = bytes.readInt32LE(offset + STATE_SUBSCRIPTION);
      this.#handler.onState(
        this.#proxy,
        subscription,
        bytes.readInt32LE(offset + STATE_STATE),
        body,
      );
    }
  };
}
