/**
 * The sending side of a control ring: calls to a shard, the records of consumers' members, and grants of credit. Calls
 * and members' records that find no room wait here in one order, so that none overtakes another. For credit that finds
 * no room only the subscription is noted, which knows how much it owes. Used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { Queue } from '../../collections/queue.js';
import { type AnswerOf, type NameOf, numberOf, type RequestOf } from '../../link/calls.js';
import { CONTROL_CHANNEL } from '../../link/link.js';
import {
  CALL_ID,
  CALL_NUMBER,
  CALL_REQUEST,
  CONTROL_CALL,
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  CREDIT_BYTES_COUNT,
  CREDIT_EVENTS_COUNT,
  CREDIT_LENGTH,
  CREDIT_SUBSCRIPTION,
} from '../../link/link-records.js';
import { PendingCalls } from '../../link/pending-calls.js';
import { BusError } from '../../protocol/errors.js';
import { RecordSender } from '../../ring/record-channel.js';
import { RingProducer } from '../../ring/ring.js';

/** The calls that a shard serves, with those for history, which it serves if nobody else can read its log. */
export type ShardCall = NameOf<'shard' | 'history'>;

/** Writes a record into claimed room; a record that waited may be written for another thread of the shard. */
export type ControlWriter = (bytes: Buffer, offset: number, generation: number) => void;

/** A record that waits for room. */
interface UnsentRecord {
  readonly type: number;
  readonly length: number;
  readonly write: ControlWriter;
}

interface SentCall {
  readonly subscription: number;
  /** Called each time that the call is sent, since the request may have changed when it is sent again. */
  readonly request: () => unknown;
}

export class ControlSender {
  readonly #ring: RingProducer;
  readonly #records: RecordSender;
  readonly #wakeShard: () => void;
  /** Calls without an answer, sent or waiting for room. */
  readonly pending = new PendingCalls<SentCall>();
  /** The numbers of calls, and records, that found no room. */
  readonly #unsent = new Queue<number | UnsentRecord>();
  /** Subscriptions whose credit found no room. */
  readonly #unpaid = new Set<number>();
  #generation: number;
  /** The shard was asked to wake the endpoint when it has released ring memory. */
  #awaitsRoom = false;

  constructor(
    ring: SharedArrayBuffer,
    port: MessagePort,
    generation: number,
    wakeShard: () => void,
  ) {
    this.#ring = new RingProducer(ring);
    this.#records = new RecordSender(this.#ring, port, { channel: CONTROL_CHANNEL });
    this.#generation = generation;
    this.#wakeShard = wakeShard;
  }

  /** True if the room that was asked for has come and is not used yet. */
  get roomHasCome(): boolean {
    return this.#awaitsRoom && !this.#ring.isWaiting;
  }

  call<N extends ShardCall>(
    name: N,
    request: () => RequestOf<N>,
    subscription: number,
    onAnswer?: (answer: AnswerOf<N>) => void,
  ): Promise<AnswerOf<N>> {
    const send = (id: number): void => {
      this.#sendOrKeep(id);
      this.#wakeShard();
    };
    return this.pending.open(name, { subscription, request }, send, onAnswer);
  }

  /** Sends a record of a member. Without room it waits, behind the calls and records that wait already. */
  send(type: number, length: number, write: ControlWriter): void {
    const isSent = this.#unsent.length === 0 && this.#trySend(type, length, write);
    if (!isSent) this.#unsent.push({ type, length, write });
    this.#wakeShard();
  }

  /** Grants credit. False if there is no room: `payCredit` names the subscription later. */
  credit(subscription: number, events: number, bytes: number): boolean {
    const records = this.#records;
    if (!this.#tryClaim(CREDIT_LENGTH)) {
      this.#unpaid.add(subscription);
      return false;
    }
    const { bytes: target, offset } = records;
    target.writeInt32LE(this.#generation, offset + CONTROL_GENERATION);
    target.writeInt32LE(subscription, offset + CREDIT_SUBSCRIPTION);
    target.writeInt32LE(events, offset + CREDIT_EVENTS_COUNT);
    target.writeInt32LE(bytes, offset + CREDIT_BYTES_COUNT);
    records.commit(CONTROL_CREDIT);
    this.#wakeShard();
    return true;
  }

  /** True if credit found no room. */
  get owesCredit(): boolean {
    return this.#unpaid.size > 0;
  }

  /** True if calls or members' records wait for room. */
  get hasUnsent(): boolean {
    return this.#unsent.length > 0;
  }

  noteRoom(): void {
    if (!this.#ring.isWaiting) this.#awaitsRoom = false;
  }

  /**
   * Calls `pay` for subscriptions whose credit found no room. Goes before `sendWaiting`, since events wait for credit.
   */
  payCredit(pay: (subscription: number) => void): void {
    for (const subscription of this.#unpaid) {
      this.#unpaid.delete(subscription);
      pay(subscription);
      // `credit` has put the subscription back: there is no more room.
      if (this.#unpaid.has(subscription)) return;
    }
  }

  /** Sends what waits as far as there is room, and wakes the shard, which may have parked since it made the room. */
  sendWaiting(): void {
    let sent = 0;
    while (this.#unsent.length > 0 && this.#sendAgain(this.#unsent.peek()!)) {
      this.#unsent.shift();
      sent++;
    }
    if (sent > 0) this.#wakeShard();
  }

  /**
   * The shard's thread was replaced: `resubscribe` puts the subscriptions back, with windows that include the owed
   * credit, and the members; after that the pending calls are sent again. Members' records that waited are dropped, as
   * their owner sends anew what the shard has to know.
   */
  relink(port: MessagePort, generation: number, resubscribe: () => void): void {
    this.#generation = generation;
    this.#records.relink(port);
    this.pending.rejectOnce(new BusError('SHARD_RESTARTED', 'the shard was restarted'));
    const open = this.pending.ids;
    this.#unsent.clear();
    this.#unpaid.clear();
    resubscribe();
    for (const id of open) this.#sendOrKeep(id);
  }

  fail(error: BusError): void {
    this.pending.rejectAll(error);
    this.#unsent.clear();
    this.#unpaid.clear();
  }

  #tryClaim(length: number): boolean {
    if (this.#records.tryClaim(length)) return true;
    this.#awaitsRoom = true;
    this.#ring.setWaiting();
    return this.#records.tryClaim(length);
  }

  #sendAgain(unsent: number | UnsentRecord): boolean {
    if (typeof unsent === 'number') return this.#send(unsent);
    return this.#trySend(unsent.type, unsent.length, unsent.write);
  }

  #trySend(type: number, length: number, write: ControlWriter): boolean {
    const records = this.#records;
    if (!this.#tryClaim(length)) return false;
    write(records.bytes, records.offset, this.#generation);
    records.commit(type);
    return true;
  }

  #sendOrKeep(id: number): void {
    if (this.#unsent.length > 0 || !this.#send(id)) this.#unsent.push(id);
  }

  #send(id: number): boolean {
    const call = this.pending.get(id);
    if (call === undefined) return true;
    const request = JSON.stringify(call.sent.request());
    const records = this.#records;
    if (!this.#tryClaim(CALL_REQUEST + Buffer.byteLength(request))) return false;
    const { bytes, offset } = records;
    bytes.writeInt32LE(this.#generation, offset + CONTROL_GENERATION);
    bytes.writeInt32LE(id, offset + CALL_ID);
    bytes.writeInt32LE(numberOf(call.name), offset + CALL_NUMBER);
    bytes.write(request, offset + CALL_REQUEST);
    records.commit(CONTROL_CALL);
    return true;
  }
}
