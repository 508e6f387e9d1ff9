/**
 * The shard's end of a link: reads an endpoint's publishes and commands, writes its acks, events, replies
 * and states. Touched by the shard's loop alone.
 *
 * Nothing overtakes: while acks, replies or states wait for room in the delivery ring, no event is written either,
 * and the durable watermark stands still, so that the endpoint never believes a subscription further than it is.
 */
import type { MessagePort } from 'node:worker_threads';
import { Queue } from '../collections/queue.js';
import { encodeAnswer } from '../link/answers.js';
import type { CallName } from '../link/calls.js';
import { CONTROL_CHANNEL, DELIVERY_CHANNEL, type LinkEnd, PUBLISH_CHANNEL } from '../link/link.js';
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
  DELIVERY_STATE,
  EVENT_SEQUENCE,
  EVENT_SUBSCRIPTION_IDS,
  EVENT_SUBSCRIPTIONS,
  eventRecordOffset,
  REPLY_JSON,
  REPLY_JSON_LENGTH,
  STATE_BODY,
} from '../link/link-records.js';
import type { ErrorData } from '../protocol/errors.js';
import { BufferInbox } from '../ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../ring/record-channel.js';
import { RingConsumer, RingProducer } from '../ring/ring.js';
import { Doorbell } from '../ring/wait.js';
import { NOT_REFUSED } from './refusals.js';
import type { ShardSubscription, SubscriptionLink } from './shard-subscription.js';

/** One run of publishes of one kind, next to each other in the ring and in the log. */
export interface AckRun {
  readonly kind: number;
  readonly count: number;
  readonly position: number;
  readonly sequence: number;
  readonly error: ErrorData | undefined;
}

/** What has still to be done with a link that a dead thread served. */
export interface Recovery {
  /** Goes as far as it can; true once it is done. */
  step(): boolean;
}

/** An answer or a state, which may have to wait for room. */
interface Message {
  readonly type: number;
  /** Answer: id and ok. State: subscription and state. */
  readonly first: number;
  readonly second: number;
  readonly json: string;
  /** Of an answer, behind the JSON. */
  readonly bytes?: Uint8Array;
}

export class ShardEnd implements SubscriptionLink {
  readonly endpoint: string;
  readonly publishRing: RingConsumer;
  readonly publishes: RecordReceiver;
  readonly controls: RecordReceiver;
  readonly subscriptions = new Map<number, ShardSubscription<ShardEnd>>();
  /** Subscriptions that wait for room in the delivery ring. */
  readonly waiting = new Set<ShardSubscription<ShardEnd>>();
  /** Ephemeral publishes before this position may have been delivered by a thread that died. */
  skipEphemeralUntil: number | undefined;
  /** Persisted publishes before this position may have been stored by a thread that died, and the log does not say. */
  takesAgainUntil: number | undefined;
  leaving = false;
  /** Set while a link of a dead thread is taken back; its publishes wait. */
  recovery: Recovery | undefined;
  readonly #deliveryRing: RingProducer;
  readonly #deliveries: RecordSender;
  readonly #doorbell: Doorbell;
  readonly #port: MessagePort;
  readonly #inbox: BufferInbox;
  readonly #acks = new Queue<AckRun>();
  readonly #outbox = new Queue<Message>();
  readonly #onDropped: (subscription: ShardSubscription) => void;
  #written = false;
  #isReleaseDue = false;
  #refusal = NOT_REFUSED;
  #isAbandoned = false;
  /** A claim found no room when the endpoint had released up to `#fullAt`. */
  #isFull = false;
  #fullAt = 0;

  constructor(end: LinkEnd, onDropped: (subscription: ShardSubscription) => void) {
    this.endpoint = end.endpoint;
    this.#port = end.port;
    this.#onDropped = onDropped;
    this.publishRing = new RingConsumer(end.memory.publishRing);
    this.#refusal = this.publishRing.refusal;
    const inbox = new BufferInbox(end.port);
    this.#inbox = inbox;
    const controlRing = new RingConsumer(end.memory.controlRing);
    this.publishes = new RecordReceiver(this.publishRing, inbox, PUBLISH_CHANNEL);
    this.controls = new RecordReceiver(controlRing, inbox, CONTROL_CHANNEL);
    this.#deliveryRing = new RingProducer(end.memory.deliveryRing);
    this.#deliveries = new RecordSender(this.#deliveryRing, end.port, {
      channel: DELIVERY_CHANNEL,
    });
    this.#doorbell = new Doorbell(new Int32Array(end.doorbell), 0);
  }

  /** For a thread that listens to the link's port itself. */
  accept(message: unknown): void {
    this.#inbox.accept(message);
  }

  /** Something waits for room: the endpoint does not read its ring. */
  get isBlocked(): boolean {
    return this.#acks.length > 0 || this.#outbox.length > 0;
  }

  /**
   * Acks wait for room. Until they are in the ring its publishes are not released, and no more are taken: what a
   * successor of this thread must acknowledge again is always one batch.
   */
  get owesAcks(): boolean {
    return this.#acks.length > 0;
  }

  /** There are publishes that may be taken now. */
  get hasPublishes(): boolean {
    if (this.owesAcks || this.recovery !== undefined) return false;
    return !this.publishRing.isEmpty() && !this.publishes.isStalled;
  }

  /** False while the last claim that found no room would find none again. */
  get mayHaveRoom(): boolean {
    if (this.#isFull && this.#deliveryRing.consumerPosition !== this.#fullAt) this.#isFull = false;
    return !this.#isFull;
  }

  get deliveryFill(): number {
    return this.#deliveryRing.usedBytes / this.#deliveryRing.capacity;
  }

  get publishFill(): number {
    return this.publishRing.usedBytes / this.publishRing.capacity;
  }

  /** Nobody reads the delivery ring any more: what waits for it is dropped, and all that follows. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#acks.clear();
    this.#outbox.clear();
    this.releasePublishes();
  }

  ack(run: AckRun): void {
    if (this.#isAbandoned) return;
    if (this.isBlocked || !this.#writeAck(run)) this.#acks.push(run);
  }

  reply(id: number, name: CallName, answer: unknown): void {
    this.#send({ type: DELIVERY_REPLY, first: id, second: 1, ...encodeAnswer(name, answer) });
  }

  refuse(id: number, error: ErrorData): void {
    const bytes = new Uint8Array(0);
    this.#send({ type: DELIVERY_REPLY, first: id, second: 0, json: JSON.stringify(error), bytes });
  }

  state(subscription: number, state: number, body: object): void {
    this.#send({
      type: DELIVERY_STATE,
      first: subscription,
      second: state,
      json: JSON.stringify(body),
    });
  }

  noteDropped(subscription: ShardSubscription): void {
    this.#onDropped(subscription);
  }

  /**
   * Writes an event once for the first `count` of `subscriptions`. False, and nothing written, when the ring has no
   * room; the endpoint then wakes the shard once it has made some.
   */
  sendEvent(
    sequence: number,
    record: Buffer,
    offset: number,
    length: number,
    subscriptions: readonly ShardSubscription[],
    count: number,
  ): boolean {
    if (this.isBlocked) return false;
    const recordOffset = eventRecordOffset(count);
    if (!this.#tryClaim(recordOffset + length)) return false;
    const deliveries = this.#deliveries;
    const { bytes, offset: at } = deliveries;
    bytes.writeDoubleLE(sequence, at + EVENT_SEQUENCE);
    bytes.writeInt32LE(count, at + EVENT_SUBSCRIPTIONS);
    for (let i = 0; i < count; i++) {
      const subscription = subscriptions[i]!;
      bytes.writeInt32LE(subscription.number, at + EVENT_SUBSCRIPTION_IDS + 4 * i);
      subscription.spend(length);
    }
    record.copy(bytes, at + recordOffset, offset, offset + length);
    deliveries.commit(DELIVERY_EVENT);
    this.#written = true;
    return true;
  }

  /** Sends what waited, as far as there is room. True if anything went. */
  flush(): boolean {
    let flushed = false;
    while (this.#acks.length > 0 && this.#writeAck(this.#acks.peek()!)) {
      this.#acks.shift();
      flushed = true;
    }
    if (this.#isReleaseDue) this.releasePublishes();
    while (
      this.#acks.length === 0 &&
      this.#outbox.length > 0 &&
      this.#writeMessage(this.#outbox.peek()!)
    ) {
      this.#outbox.shift();
      flushed = true;
    }
    return flushed;
  }

  /** All events up to `head` that this endpoint's live subscriptions match are in the ring. */
  advanceWatermark(head: number): void {
    if (!this.isBlocked) this.#deliveryRing.durableWatermark = head;
  }

  /** Wakes the endpoint if anything was written since the last call and it is parked. */
  ringDoorbell(): void {
    if (!this.#written) return;
    this.#written = false;
    this.#doorbell.ring(this.#port);
  }

  /** Wakes the endpoint at the next `ringDoorbell`, written or not: it waits for room. */
  wakeEndpoint(): void {
    this.#written = true;
  }

  /** Frees what was read from the publish ring; the endpoint looks for room whenever it is acknowledged. */
  releasePublishes(): void {
    this.#isReleaseDue = this.owesAcks;
    if (this.#isReleaseDue) return;
    if (this.publishes.release()) this.wakeEndpoint();
    if (this.#refusal !== NOT_REFUSED) this.#refuse(NOT_REFUSED);
  }

  /**
   * To be called before the first ack that refuses: who comes after this thread then refuses the batch as well. One that was
   * refused for a reason keeps it.
   */
  refusePublishes(reason: number): void {
    if (this.#refusal === NOT_REFUSED) this.#refuse(reason);
  }

  close(): void {
    this.#port.close();
  }

  #refuse(reason: number): void {
    this.#refusal = reason;
    this.publishRing.refusal = reason;
  }

  /** Where there is no room, the endpoint is asked to wake the shard, and the claim is tried once more. */
  #tryClaim(length: number): boolean {
    if (!this.mayHaveRoom) return false;
    if (this.#deliveries.tryClaim(length)) return true;
    this.#deliveryRing.setWaiting();
    this.#fullAt = this.#deliveryRing.consumerPosition;
    if (this.#deliveries.tryClaim(length)) return true;
    this.#isFull = true;
    return false;
  }

  #send(message: Message): void {
    if (this.#isAbandoned) return;
    if (this.isBlocked || !this.#writeMessage(message)) this.#outbox.push(message);
  }

  #writeAck(run: AckRun): boolean {
    const error = run.kind === ACK_REFUSED ? JSON.stringify(run.error) : '';
    if (!this.#tryClaim(ACK_LENGTH + Buffer.byteLength(error))) return false;
    const deliveries = this.#deliveries;
    const { bytes, offset } = deliveries;
    bytes.writeInt32LE(run.kind, offset + ACK_KIND);
    bytes.writeInt32LE(run.count, offset + ACK_COUNT);
    bytes.writeInt32LE(run.position, offset + ACK_POSITION);
    bytes.writeDoubleLE(run.sequence, offset + ACK_SEQUENCE);
    bytes.write(error, offset + ACK_LENGTH);
    deliveries.commit(DELIVERY_ACK);
    this.#written = true;
    return true;
  }

  #writeMessage(message: Message): boolean {
    const { first, second, json, bytes: rest } = message;
    const jsonLength = Buffer.byteLength(json);
    const jsonOffset = rest === undefined ? STATE_BODY : REPLY_JSON;
    const length = jsonOffset + jsonLength + (rest?.length ?? 0);
    if (!this.#tryClaim(length)) return false;
    const deliveries = this.#deliveries;
    const { bytes, offset } = deliveries;
    bytes.writeInt32LE(first, offset);
    bytes.writeInt32LE(second, offset + 4);
    bytes.write(json, offset + jsonOffset);
    if (rest !== undefined) {
      bytes.writeInt32LE(jsonLength, offset + REPLY_JSON_LENGTH);
      bytes.set(rest, offset + jsonOffset + jsonLength);
    }
    deliveries.commit(message.type);
    this.#written = true;
    return true;
  }
}
