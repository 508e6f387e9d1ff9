/**
 * The shard's end of a link: reads an endpoint's publishes and commands, and writes its acks, events, replies and
 * states. Only the shard's loop touches this.
 *
 * Nothing overtakes: while acks, replies or states wait for room in the delivery ring, no event is written and the
 * durable watermark stands still, so that the endpoint never takes a subscription to be further than it is.
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
import { PublishGate } from './publish-gate.js';
import { NOT_REFUSED } from './refusals.js';
import type { ShardSubscription, SubscriptionLink } from './shard-subscription.js';

/** Publishes of one kind that are adjacent in the ring and in the log. */
export interface AckRun {
  readonly kind: number;
  readonly count: number;
  readonly position: number;
  readonly sequence: number;
  readonly error: ErrorData | undefined;
}

/** The takeover of a link that a dead thread served. */
export interface Recovery {
  /** Goes as far as it can; true once the takeover is done. */
  step(): boolean;
}

/** An answer or a state, which waits in the outbox while the ring has no room. */
interface Message {
  readonly type: number;
  /** Answer: id and ok. State: subscription and state. */
  readonly first: number;
  readonly second: number;
  readonly json: string;
  /** Follow the JSON of an answer. */
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
  /** A dead thread may have delivered the ephemeral publishes before this position; they are not delivered again. */
  skipEphemeralUntil: number | undefined;
  /**
   * A dead thread may have acknowledged the publishes before this position, any number of them. The endpoint skips an
   * ack up to whose position it has had acks before, so each of these publishes gets an ack of its own: one for several
   * would count those again that were acknowledged.
   */
  acksSinglyUntil: number | undefined;
  /** A dead thread may have stored the persisted publishes before this position, and the log cannot say whether. */
  takesAgainUntil: number | undefined;
  leaving = false;
  readonly gate: PublishGate;
  /** The link's next publish waits for something that the endpoint has still to say; see `GroupSettling`. */
  isHeld = false;
  /** Set while the link is taken over from a dead thread; its publishes wait meanwhile. */
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
  /** The last claim found no room; the endpoint had released up to `#fullAt` then. */
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
    this.gate = new PublishGate(this.publishes, this.controls);
    this.#deliveryRing = new RingProducer(end.memory.deliveryRing);
    this.#deliveries = new RecordSender(this.#deliveryRing, end.port, {
      channel: DELIVERY_CHANNEL,
    });
    this.#doorbell = new Doorbell(new Int32Array(end.doorbell), 0);
  }

  /** Takes a message of the link's port, on a thread that listens to the port itself. */
  accept(message: unknown): void {
    this.#inbox.accept(message);
  }

  /** True while acks or messages wait for room in the delivery ring. */
  get isBlocked(): boolean {
    return this.#acks.length > 0 || this.#outbox.length > 0;
  }

  /**
   * True while acks wait for room. Until they are in the ring, the link's publishes are not released and no more are
   * taken: a successor of this thread never has more than one batch to acknowledge again.
   */
  get owesAcks(): boolean {
    return this.#acks.length > 0;
  }

  /** False while the link's publishes have to wait. */
  get mayPublish(): boolean {
    return !this.owesAcks && this.recovery === undefined && !this.isHeld;
  }

  /** Whether the next publish of the ring gets an ack of its own. */
  get acksSingly(): boolean {
    const { acksSinglyUntil: until } = this;
    if (until === undefined) return false;
    if (((until - this.publishRing.position) | 0) > 0) return true;
    this.acksSinglyUntil = undefined;
    return false;
  }

  /** True if there are publishes that may be taken now. */
  get hasPublishes(): boolean {
    return this.mayPublish && this.publishes.hasReadable();
  }

  /**
   * False if the last claim found no room, the endpoint has released nothing since, and it will wake the shard once it does.
   * An endpoint looks for who waits after each release: a request that came in between is answered by a wake-up for room
   * that the shard has seen already, so the shard has to ask again before it parks.
   */
  get mayHaveRoom(): boolean {
    if (!this.#isFull) return true;
    const ring = this.#deliveryRing;
    if (ring.consumerPosition !== this.#fullAt || !ring.isWaiting) this.#isFull = false;
    return !this.#isFull;
  }

  get deliveryFill(): number {
    return this.#deliveryRing.usedBytes / this.#deliveryRing.capacity;
  }

  get publishFill(): number {
    return this.publishRing.usedBytes / this.publishRing.capacity;
  }

  /** The endpoint no longer reads the delivery ring: drops waiting and later acks and messages. */
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
   * Writes an event once for the first `count` of `subscriptions`. If the ring has no room, writes nothing and returns
   * false; the endpoint wakes the shard once it has made room.
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

  /** Writes a record of another kind; false, and nothing is written, if acks or messages wait or there is no room. */
  trySend(type: number, length: number, write: (bytes: Buffer, offset: number) => void): boolean {
    if (this.isBlocked || !this.#tryClaim(length)) return false;
    const deliveries = this.#deliveries;
    write(deliveries.bytes, deliveries.offset);
    deliveries.commit(type);
    this.#written = true;
    return true;
  }

  /** Writes the acks and messages that wait, as far as there is room; true if it wrote any. */
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

  /** Tells the endpoint that all events up to `head` that its live subscriptions match are in the ring. */
  advanceWatermark(head: number): void {
    if (!this.isBlocked) this.#deliveryRing.durableWatermark = head;
  }

  /** Wakes the endpoint if anything was written since the last call and it is parked. */
  ringDoorbell(): void {
    if (!this.#written) return;
    this.#written = false;
    this.#doorbell.ring(this.#port);
  }

  /** Lets the next `ringDoorbell` wake the endpoint even if nothing is written: the endpoint waits for room. */
  wakeEndpoint(): void {
    this.#written = true;
  }

  /** Frees the part of the publish ring that was read, once all its acks are written. */
  releasePublishes(): void {
    this.#isReleaseDue = this.owesAcks;
    if (this.#isReleaseDue) return;
    if (this.publishes.release()) this.wakeEndpoint();
    if (this.#refusal !== NOT_REFUSED) this.#refuse(NOT_REFUSED);
  }

  /**
   * Notes in the ring why the batch is refused; an earlier reason stays. To be called before the batch's first refusing
   * ack, so that a successor of this thread refuses the batch as well.
   */
  refusePublishes(reason: number): void {
    if (this.#refusal === NOT_REFUSED) this.#refuse(reason);
  }

  close(): void {
    this.#port.close();
  }

  #refuse(reason: number): void {
    this.#refusal = reason;
    this.publishRing.refuse(reason);
  }

  /**
   * Without room, asks the endpoint to wake the shard, and tries once more: the endpoint may have made room meanwhile.
   */
  #tryClaim(length: number): boolean {
    if (!this.mayHaveRoom) return false;
    if (this.#deliveries.tryClaim(length)) return true;
    this.#fullAt = this.#deliveryRing.consumerPosition;
    this.#deliveryRing.setWaiting();
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
