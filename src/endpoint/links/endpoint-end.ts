/**
 * The sending side of the endpoint's end of a link: hands publishes and commands to a shard, and keeps those that are
 * not answered yet. `DeliveryReader` is the receiving side. There is one per shard in every endpoint; used by the
 * endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { Queue } from '../../collections/queue.js';
import { decodeAnswer } from '../../link/answers.js';
import type { AnswerOf, RequestOf } from '../../link/calls.js';
import { type LinkEnd, PUBLISH_CHANNEL } from '../../link/link.js';
import {
  ACK_COUNT,
  ACK_KIND,
  ACK_LENGTH,
  ACK_POSITION,
  ACK_REFUSED,
  ACK_SEQUENCE,
  isWaitingAck,
  PUBLISH,
  REPLY_ID,
  REPLY_JSON,
  REPLY_JSON_LENGTH,
  REPLY_OK,
} from '../../link/link-records.js';
import { GENERATION, type ShardControl, wakeShard } from '../../link/shard-control.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import type { EventRecordEncoder } from '../../record/event-record.js';
import { RecordSender } from '../../ring/record-channel.js';
import { RingProducer } from '../../ring/ring.js';
import type { KeepAlive } from '../../threads/keep-alive.js';
import { ControlSender, type ControlWriter, type ShardCall } from './control-sender.js';

/** A publish that was handed to a shard, or a part of a `publishMany`. */
export interface PendingPublish {
  /** Called once for each event that was handed over with this as its pending publish, in that order. */
  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void;
  fail(error: BusError): void;
}

/** A record of the publish ring, and how many publishes it holds. */
export interface PublishRecord {
  readonly type: number;
  readonly bytes: Buffer;
  readonly publishes: number;
}

const NO_SUBSCRIPTION = 0;

export class EndpointEnd {
  readonly shard: number;
  readonly control: ShardControl;
  /** All events up to this sequence that live subscriptions match were read from the delivery ring. */
  watermark = 0;
  /** Set once the shard was given up. */
  failure: BusError | undefined;
  readonly #alive: KeepAlive;
  readonly #publishRing: RingProducer;
  readonly #publishes: RecordSender;
  readonly #calls: ControlSender;
  readonly #pending = new Queue<PendingPublish>();
  #generation = 0;
  /** The shard was asked to wake the endpoint when it has released ring memory. */
  #awaitsPublishRoom = false;
  #ackedPosition: number;
  /** A message on this port wakes a shard's thread that lives on an event loop. */
  #port: MessagePort;

  /** `alive` is held from the first publish or call on; its owner releases it. */
  constructor(linkEnd: LinkEnd, control: ShardControl, generation: number, alive: KeepAlive) {
    this.shard = linkEnd.shard;
    this.control = control;
    this.#generation = generation;
    this.#alive = alive;
    this.#port = linkEnd.port;
    this.#publishRing = new RingProducer(linkEnd.memory.publishRing);
    this.#publishes = new RecordSender(this.#publishRing, linkEnd.port, {
      channel: PUBLISH_CHANNEL,
    });
    this.#calls = new ControlSender(linkEnd.memory.controlRing, linkEnd.port, generation, () =>
      this.wake(),
    );
    this.#ackedPosition = this.#publishRing.position;
  }

  /** How many publishes were handed over and are not acknowledged. */
  get unacknowledged(): number {
    return this.#pending.length;
  }

  /** True if the shard owes an ack or an answer. */
  get hasWork(): boolean {
    return this.#pending.length > 0 || this.#calls.pending.size > 0;
  }

  get publishFill(): number {
    return this.#publishRing.usedBytes / this.#publishRing.capacity;
  }

  /**
   * True if the room that was asked for has come and is not used yet. To be checked after the doorbell was parked: the
   * shard does not wake an endpoint that is awake, so only this shows memory that was released before.
   */
  get roomHasCome(): boolean {
    return this.#calls.roomHasCome || (this.#awaitsPublishRoom && !this.#publishRing.isWaiting);
  }

  /** True if the shard still has the thread that this link was last connected to. */
  get isCurrent(): boolean {
    return Atomics.load(this.control.words, GENERATION) === this.#generation;
  }

  /** True if credit found no room. */
  get owesCredit(): boolean {
    return this.#calls.owesCredit;
  }

  /** True if earlier calls wait for room in their ring. A publish must not overtake them, so none is taken meanwhile. */
  get holdsPublishes(): boolean {
    return this.#calls.hasUnsent;
  }

  /** Writes the encoded event into the ring. False if `holdsPublishes` or there is no room: see `requestRoom`. */
  tryPublish(encoder: EventRecordEncoder, length: number, pending: PendingPublish): boolean {
    return !this.holdsPublishes && this.tryPublishAnyway(encoder, length, pending);
  }

  /** As `tryPublish`, for an event of the bus's own, which may overtake calls. */
  tryPublishAnyway(encoder: EventRecordEncoder, length: number, pending: PendingPublish): boolean {
    const publishes = this.#publishes;
    if (!publishes.tryClaim(length)) return false;
    encoder.writeTo(publishes.bytes, publishes.offset);
    this.#commitPublish(pending);
    return true;
  }

  /** As `tryPublish`, for a record that was encoded before, of any type of the publish ring. */
  tryPublishRecord(
    { type, bytes, publishes: count }: PublishRecord,
    pending: PendingPublish,
  ): boolean {
    const publishes = this.#publishes;
    if (this.holdsPublishes || !publishes.tryClaim(bytes.length)) return false;
    bytes.copy(publishes.bytes, publishes.offset);
    this.#commitPublish(pending, type, count);
    return true;
  }

  /** Asks the shard to wake the endpoint when there is room. Calls that wait for room have asked for theirs. */
  requestRoom(): void {
    this.#awaitsPublishRoom = true;
    this.#publishRing.setWaiting();
  }

  /** Wakes the shard if it is parked. */
  wake(): void {
    wakeShard(this.control.words, this.#port);
  }

  /**
   * Calls the shard. After a restart an unanswered call is sent again, or rejects if it may not be served twice.
   * `onAnswer` takes the answer where it stands among the shard's messages, before later ones and before a relink.
   */
  call<N extends ShardCall>(
    name: N,
    request: () => RequestOf<N>,
    subscription = NO_SUBSCRIPTION,
    onAnswer?: (answer: AnswerOf<N>) => void,
  ): Promise<AnswerOf<N>> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#alive.hold();
    return this.#calls.call(name, request, subscription, onAnswer);
  }

  /** Sends a record of a consumer's member, in order with calls. A shard that was given up gets none. */
  send(type: number, length: number, write: ControlWriter): void {
    if (this.failure !== undefined) return;
    this.#alive.hold();
    this.#calls.send(type, length, write);
  }

  /** Grants credit. False if there is no room: `payCredit` names the subscription later. */
  credit(subscription: number, events: number, bytes: number): boolean {
    return this.#calls.credit(subscription, events, bytes);
  }

  /**
   * Notes that requested room has come, so that the next request asks the shard again. Goes before a read of the ring.
   */
  noteRoom(): void {
    if (!this.#publishRing.isWaiting) this.#awaitsPublishRoom = false;
    this.#calls.noteRoom();
  }

  /** There may be room for credit: calls `pay` for each subscription whose credit found none. */
  payCredit(pay: (subscription: number) => void): void {
    this.#calls.payCredit(pay);
  }

  /** Sends calls and members' records that found no room before. */
  sendWaiting(): void {
    this.#calls.sendWaiting();
  }

  /**
   * Connects to the thread that replaced the shard's last one. The caller has read everything that the old one left;
   * `resubscribe` puts its subscriptions and members back before pending calls are sent again.
   */
  relink(port: MessagePort, generation: number, resubscribe: () => void): void {
    this.#generation = generation;
    this.#port = port;
    this.#publishes.relink(port);
    this.#calls.relink(port, generation, resubscribe);
    this.wake();
  }

  /** True if a call of this name for this subscription is pending, so that a relink repeats it. */
  isCalling(name: ShardCall, subscription: number): boolean {
    return this.#calls.pending.some(
      (pending, sent) => pending === name && sent.subscription === subscription,
    );
  }

  /** The shard is given up: pending calls fail with `error`, publishes in its ring with `ofHanded`. */
  fail(error: BusError, ofHanded = error): void {
    this.failure = error;
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      pending.fail(ofHanded);
    }
    this.#calls.fail(error);
  }

  onAck(bytes: Buffer, offset: number, length: number): void {
    const position = bytes.readInt32LE(offset + ACK_POSITION);
    // A restarted shard repeats acks, as it cannot know which of them its predecessor wrote.
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
    const step = isWaitingAck(kind) ? 0 : 1;
    for (let i = 0; i < count; i++) {
      this.#pending.shift()?.settle(this.shard, kind, sequence + i * step, error);
    }
  }

  onReply(bytes: Buffer, offset: number, length: number): void {
    const { pending } = this.#calls;
    const id = bytes.readInt32LE(offset + REPLY_ID);
    const call = pending.get(id);
    // A thread that died and its successor have both answered the call.
    if (call === undefined) return;
    const jsonEnd = offset + REPLY_JSON + bytes.readInt32LE(offset + REPLY_JSON_LENGTH);
    const json = bytes.toString('utf8', offset + REPLY_JSON, jsonEnd);
    if (bytes.readInt32LE(offset + REPLY_OK) === 0) pending.reject(id, JSON.parse(json));
    else
      pending.resolve(id, decodeAnswer(call.name, json, bytes.subarray(jsonEnd, offset + length)));
  }

  #commitPublish(pending: PendingPublish, type = PUBLISH, publishes = 1): void {
    this.#publishes.commit(type);
    for (let i = 0; i < publishes; i++) this.#pending.push(pending);
    this.#alive.hold();
    this.wake();
  }
}
