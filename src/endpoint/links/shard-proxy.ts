/**
 * The endpoint's end of a link: hands publishes and commands to a shard, and takes its acks, events, replies and
 * states. One per shard in every endpoint, used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { Deque } from '../../collections/deque.js';
import { DELIVERY_CHANNEL, type LinkEnd, PUBLISH_CHANNEL } from '../../link/link.js';
import {
  ACK_COUNT,
  ACK_KIND,
  ACK_LENGTH,
  ACK_POSITION,
  ACK_REFUSED,
  ACK_SEQUENCE,
  DELIVERY_ACK,
  DELIVERY_EVENT,
  DELIVERY_REPLY,
  PUBLISH,
  REPLY_BODY,
  REPLY_OK,
  REPLY_REQUEST,
  STATE_BODY,
  STATE_STATE,
  STATE_SUBSCRIPTION,
} from '../../link/link-records.js';
import { GENERATION, PARKED, type ShardControl } from '../../link/shard-control.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import type { EventRecordEncoder } from '../../record/event-record.js';
import { BufferInbox } from '../../ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../../ring/record-channel.js';
import { RingConsumer, RingProducer } from '../../ring/ring.js';
import { wakeParked } from '../../ring/wait.js';
import type { KeepAlive } from '../../threads/keep-alive.js';
import type { PendingPublish } from '../publish/pending-publish.js';
import type { StateBody } from '../subscribe/subscription-host.js';
import { CommandsProxy } from './commands-proxy.js';

/** What the endpoint does with what a shard sends. */
export interface DeliveryHandler {
  onEvent(proxy: ShardProxy, bytes: Buffer, offset: number, length: number): void;
  onState(proxy: ShardProxy, subscription: number, state: number, body: StateBody): void;
  /** There may be room for the credit of a subscription that found none. */
  payCredit(proxy: ShardProxy, subscription: number): void;
}

/** Whose link it is. */
export interface LinkOwner {
  /** Held from when a shard is handed something; the owner lets go of it. */
  readonly alive: KeepAlive;
  /** Messages came in on the port: there is something in the ring. */
  onDoorbell(): void;
}

const NO_SUBSCRIPTION = 0;

export class ShardProxy {
  readonly shard: number;
  readonly control: ShardControl;
  /** Everything up to here that live subscriptions match was read from the delivery ring. */
  watermark = 0;
  /** Set once the shard was given up. */
  failure: BusError | undefined;
  readonly #handler: DeliveryHandler;
  readonly #alive: KeepAlive;
  readonly #onDoorbell: () => void;
  readonly #publishRing: RingProducer;
  readonly #publishes: RecordSender;
  readonly #commands: CommandsProxy;
  readonly #deliveryRing: RingConsumer;
  readonly #inbox: BufferInbox;
  readonly #deliveries: RecordReceiver;
  readonly #pending = new Deque<PendingPublish>();
  #port: MessagePort;
  #generation = 0;
  /** The shard was asked to say when it has released something. */
  #awaitsPublishRoom = false;
  #ackedPosition: number;

  constructor(
    end: LinkEnd,
    control: ShardControl,
    generation: number,
    handler: DeliveryHandler,
    owner: LinkOwner,
  ) {
    this.shard = end.shard;
    this.control = control;
    this.#generation = generation;
    this.#handler = handler;
    this.#alive = owner.alive;
    this.#onDoorbell = owner.onDoorbell;
    this.#port = end.port;
    this.#publishRing = new RingProducer(end.memory.publishRing);
    this.#publishes = new RecordSender(this.#publishRing, end.port, { channel: PUBLISH_CHANNEL });
    this.#commands = new CommandsProxy(
      end.memory.controlRing,
      end.port,
      generation,
      (subscription) => handler.payCredit(this, subscription),
      () => this.wake(),
    );
    this.#deliveryRing = new RingConsumer(end.memory.deliveryRing);
    this.#inbox = new BufferInbox(end.port);
    this.#deliveries = new RecordReceiver(this.#deliveryRing, this.#inbox, DELIVERY_CHANNEL);
    this.#ackedPosition = this.#publishRing.position;
    this.#listen(end.port);
  }

  /** Publishes handed over and not acknowledged. */
  get unacknowledged(): number {
    return this.#pending.length;
  }

  /** It was handed something and has not answered. */
  get hasWork(): boolean {
    return this.#pending.length > 0 || this.#commands.hasOpenRequests;
  }

  get publishFill(): number {
    return this.#publishRing.usedBytes / this.#publishRing.capacity;
  }

  /**
   * Nothing is there to be read, and room that was asked for has not come. To be looked at after the doorbell was
   * parked: the shard wakes nobody who is awake, and what it released before is told here alone.
   */
  get isIdle(): boolean {
    const roomHasCome = this.#awaitsPublishRoom && !this.#publishRing.isWaiting;
    return !roomHasCome && !this.#commands.roomHasCome && this.#deliveryRing.isEmpty();
  }

  /** False if the ring has no room; then `requestRoom` asks to be woken. */
  tryPublish(encoder: EventRecordEncoder, length: number, pending: PendingPublish): boolean {
    const publishes = this.#publishes;
    if (!publishes.tryClaim(length)) return false;
    encoder.writeTo(publishes.bytes, publishes.offset);
    this.#commitPublish(pending);
    return true;
  }

  /** The same for a record that was encoded before. */
  tryPublishRecord(record: Buffer, pending: PendingPublish): boolean {
    const publishes = this.#publishes;
    if (!publishes.tryClaim(record.length)) return false;
    record.copy(publishes.bytes, publishes.offset);
    this.#commitPublish(pending);
    return true;
  }

  requestRoom(): void {
    this.#awaitsPublishRoom = true;
    this.#publishRing.setWaiting();
  }

  /** Wakes the shard if it is parked. */
  wake(): void {
    wakeParked(this.control.words, PARKED);
  }

  /** Asks the shard something; commands of before a restart are sent again. */
  request<T>(type: number, body: () => object, subscription = NO_SUBSCRIPTION): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#alive.hold();
    return new Promise<T>((resolve, reject) => {
      const answered = (answer: unknown): void => resolve(answer as T);
      this.#commands.request({ type, subscription, body, resolve: answered, reject });
    });
  }

  /** False if there is no room: the handler's `payCredit` is then called as soon as there is. */
  credit(subscription: number, events: number, bytes: number): boolean {
    return this.#commands.credit(subscription, events, bytes);
  }

  /** Takes up to `limit` records from the shard and returns how many. */
  drain(limit: number): number {
    if (!this.#publishRing.isWaiting) this.#awaitsPublishRoom = false;
    // The watermark first: what was written before it was set is then in the ring.
    const watermark = this.#deliveryRing.durableWatermark;
    const read = this.#deliveries.read(this.#onRecord, limit);
    // One that a successor of the shard's thread has set speaks for subscriptions that it does not have yet.
    const isOwn = Atomics.load(this.control.words, GENERATION) === this.#generation;
    if (isOwn && this.#deliveryRing.isEmpty()) this.watermark = watermark;
    if (this.#deliveries.release()) this.wake();
    this.#commands.pump();
    return read;
  }

  /**
   * The shard's thread was replaced. The caller has read all that the old one left and says its subscriptions
   * again in `resubscribe`, before the questions that are still open are put again.
   */
  relink(port: MessagePort, generation: number, resubscribe: () => void): void {
    this.#port.close();
    this.#port = port;
    this.#generation = generation;
    this.#inbox.relink(port);
    this.#publishes.relink(port);
    this.#commands.relink(port, generation, resubscribe);
    this.#listen(port);
    this.wake();
  }

  /** Is a request of this type for this subscription open, so that a relink repeats it. */
  isAsking(type: number, subscription: number): boolean {
    return this.#commands.isAsking(type, subscription);
  }

  /** The shard is given up: whatever waits for it fails, and what it was handed with an error of its own. */
  fail(error: BusError, ofHanded = error): void {
    this.failure = error;
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      pending.fail(ofHanded);
    }
    this.#commands.fail(error);
  }

  close(): void {
    this.#port.close();
  }

  #listen(port: MessagePort): void {
    port.on('message', (message: unknown) => {
      this.#inbox.accept(message);
      this.#onDoorbell();
    });
    port.unref();
  }

  #commitPublish(pending: PendingPublish): void {
    this.#publishes.commit(PUBLISH);
    this.#pending.push(pending);
    this.#alive.hold();
    this.wake();
  }

  readonly #onRecord = (type: number, bytes: Buffer, offset: number, length: number): void => {
    if (type === DELIVERY_EVENT) this.#handler.onEvent(this, bytes, offset, length);
    else if (type === DELIVERY_ACK) this.#onAck(bytes, offset, length);
    else if (type === DELIVERY_REPLY) this.#onReply(bytes, offset, length);
    else {
      const body = JSON.parse(bytes.toString('utf8', offset + STATE_BODY, offset + length));
      const subscription = bytes.readInt32LE(offset + STATE_SUBSCRIPTION);
      this.#handler.onState(this, subscription, bytes.readInt32LE(offset + STATE_STATE), body);
    }
  };

  #onAck(bytes: Buffer, offset: number, length: number): void {
    const position = bytes.readInt32LE(offset + ACK_POSITION);
    // A restarted shard acknowledges again what its predecessor may not have told.
    if (((position - this.#ackedPosition) | 0) <= 0) return;
    this.#ackedPosition = position;
    const kind = bytes.readInt32LE(offset + ACK_KIND);
    const count = bytes.readInt32LE(offset + ACK_COUNT);
    const sequence = bytes.readDoubleLE(offset + ACK_SEQUENCE);
    let error: BusError | undefined;
    if (kind === ACK_REFUSED) {
      const text = bytes.toString('utf8', offset + ACK_LENGTH, offset + length);
      error = BusError.from(JSON.parse(text) as ErrorData);
    }
    for (let i = 0; i < count; i++) {
      this.#pending.shift()?.settle(this.shard, kind, sequence + i, error);
    }
  }

  #onReply(bytes: Buffer, offset: number, length: number): void {
    const request = this.#commands.take(bytes.readInt32LE(offset + REPLY_REQUEST));
    if (request === undefined) return;
    const body = JSON.parse(bytes.toString('utf8', offset + REPLY_BODY, offset + length));
    if (bytes.readInt32LE(offset + REPLY_OK) === 1) request.resolve(body);
    else request.reject(BusError.from(body as ErrorData));
  }
}
