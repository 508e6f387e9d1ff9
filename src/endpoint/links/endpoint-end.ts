/**
 * The sending side of the endpoint's end of a link: hands publishes and commands to a shard, and remembers what it has not
 * answered. `DeliveryReader` is the receiving side. One per shard in every endpoint, used by the endpoint's thread alone.
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
import { ControlSender, type ShardCall } from './control-sender.js';

/** A publish that a shard was handed, or a part of one. */
export interface PendingPublish {
  /** Called once for each time that it was put in the queue, in that order. */
  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void;
  fail(error: BusError): void;
}

const NO_SUBSCRIPTION = 0;

export class EndpointEnd {
  readonly shard: number;
  readonly control: ShardControl;
  /** Everything up to here that live subscriptions match was read from the delivery ring. */
  watermark = 0;
  /** Set once the shard was given up. */
  failure: BusError | undefined;
  readonly #alive: KeepAlive;
  readonly #publishRing: RingProducer;
  readonly #publishes: RecordSender;
  readonly #calls: ControlSender;
  readonly #pending = new Queue<PendingPublish>();
  #generation = 0;
  /** The shard was asked to say when it has released something. */
  #awaitsPublishRoom = false;
  #ackedPosition: number;
  /** A message on it wakes a shard's thread that lives on an event loop. */
  #port: MessagePort;

  /** `alive` is held from when the shard is handed something; its owner lets go of it. */
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

  /** Publishes handed over and not acknowledged. */
  get unacknowledged(): number {
    return this.#pending.length;
  }

  /** It was handed something and has not answered. */
  get hasWork(): boolean {
    return this.#pending.length > 0 || this.#calls.pending.size > 0;
  }

  get publishFill(): number {
    return this.#publishRing.usedBytes / this.#publishRing.capacity;
  }

  /**
   * Room that was asked for has come, and was not used yet. To be looked at after the doorbell was parked: the shard wakes
   * nobody who is awake, and what it released before is told here alone.
   */
  get roomHasCome(): boolean {
    return this.#calls.roomHasCome || (this.#awaitsPublishRoom && !this.#publishRing.isWaiting);
  }

  /** The shard's thread is the one that this link was last linked to. */
  get isCurrent(): boolean {
    return Atomics.load(this.control.words, GENERATION) === this.#generation;
  }

  /** Credit found no room. */
  get owesCredit(): boolean {
    return this.#calls.owesCredit;
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
    wakeShard(this.control.words, this.#port);
  }

  /** Calls the shard; what it had not answered before a restart is sent again, unless that may not be served twice. */
  call<N extends ShardCall>(
    name: N,
    request: () => RequestOf<N>,
    subscription = NO_SUBSCRIPTION,
  ): Promise<AnswerOf<N>> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#alive.hold();
    return this.#calls.call(name, request, subscription);
  }

  /** False if there is no room: `payCredit` then names the subscription. */
  credit(subscription: number, events: number, bytes: number): boolean {
    return this.#calls.credit(subscription, events, bytes);
  }

  /** To be called before the delivery ring is read: whoever is asked for room next asks the shard again. */
  noteRoom(): void {
    if (!this.#publishRing.isWaiting) this.#awaitsPublishRoom = false;
    this.#calls.noteRoom();
  }

  /** There may be room for credit that found none; `pay` is called for each subscription that owes some. */
  payCredit(pay: (subscription: number) => void): void {
    this.#calls.payCredit(pay);
  }

  /** There may be room for requests that found none. */
  sendWaiting(): void {
    this.#calls.sendWaiting();
  }

  /**
   * The shard's thread was replaced. The caller has read all that the old one left and says its subscriptions
   * again in `resubscribe`, before the calls that are still pending are sent again.
   */
  relink(port: MessagePort, generation: number, resubscribe: () => void): void {
    this.#generation = generation;
    this.#port = port;
    this.#publishes.relink(port);
    this.#calls.relink(port, generation, resubscribe);
    this.wake();
  }

  /** Is a call of this name for this subscription pending, so that a relink repeats it. */
  isCalling(name: ShardCall, subscription: number): boolean {
    return this.#calls.pending.some(
      (pending, sent) => pending === name && sent.subscription === subscription,
    );
  }

  /** The shard is given up: whatever waits for it fails, and what it was handed with an error of its own. */
  fail(error: BusError, ofHanded = error): void {
    this.failure = error;
    for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
      pending.fail(ofHanded);
    }
    this.#calls.fail(error);
  }

  onAck(bytes: Buffer, offset: number, length: number): void {
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

  onReply(bytes: Buffer, offset: number, length: number): void {
    const { pending } = this.#calls;
    const id = bytes.readInt32LE(offset + REPLY_ID);
    const call = pending.get(id);
    // Answered by a thread that died, and by its successor.
    if (call === undefined) return;
    const jsonEnd = offset + REPLY_JSON + bytes.readInt32LE(offset + REPLY_JSON_LENGTH);
    const json = bytes.toString('utf8', offset + REPLY_JSON, jsonEnd);
    if (bytes.readInt32LE(offset + REPLY_OK) === 0) pending.reject(id, JSON.parse(json));
    else
      pending.resolve(id, decodeAnswer(call.name, json, bytes.subarray(jsonEnd, offset + length)));
  }

  #commitPublish(pending: PendingPublish): void {
    this.#publishes.commit(PUBLISH);
    this.#pending.push(pending);
    this.#alive.hold();
    this.wake();
  }
}
