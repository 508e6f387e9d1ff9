/**
 * The endpoint's end of a control ring: what it asks of a shard, and the credit that it grants. Requests that find no
 * room wait here in order; of credit only the subscription is noted, which knows what it owes. Used by the endpoint's
 * thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import { Queue } from '../../collections/queue.js';
import { CONTROL_CHANNEL } from '../../link/link.js';
import {
  CONTROL_BODY,
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  CONTROL_REQUEST_ID,
  CREDIT_BYTES_COUNT,
  CREDIT_EVENTS_COUNT,
  CREDIT_LENGTH,
  CREDIT_SUBSCRIPTION,
} from '../../link/link-records.js';
import type { BusError } from '../../protocol/errors.js';
import { RecordSender } from '../../ring/record-channel.js';
import { RingProducer } from '../../ring/ring.js';

export interface Request {
  readonly type: number;
  readonly subscription: number;
  /** Made when it is sent, and made anew when it is sent again: what it says may have changed. */
  readonly body: () => object;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: BusError) => void;
}

export class CommandsProxy {
  readonly #ring: RingProducer;
  readonly #records: RecordSender;
  readonly #wakeShard: () => void;
  readonly #requests = new Map<number, Request>();
  /** Requests that found no room. */
  readonly #unsent = new Queue<number>();
  /** Subscriptions whose credit found no room. */
  readonly #unpaid = new Set<number>();
  #generation: number;
  #nextRequest = 1;
  /** The shard was asked to say when it has released something. */
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

  /** Room that was asked for has come, and was not used yet. */
  get roomHasCome(): boolean {
    return this.#awaitsRoom && !this.#ring.isWaiting;
  }

  /** Something was asked that has no answer yet. */
  get hasOpenRequests(): boolean {
    return this.#requests.size > 0;
  }

  request(request: Request): void {
    const id = this.#nextRequest++;
    this.#requests.set(id, request);
    this.#sendOrKeep(id);
    this.#wakeShard();
  }

  /** Takes an answered request out. */
  take(id: number): Request | undefined {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }

  /** Is a request of this type for this subscription open, so that a relink repeats it. */
  isAsking(type: number, subscription: number): boolean {
    for (const request of this.#requests.values()) {
      if (request.type === type && request.subscription === subscription) return true;
    }
    return false;
  }

  /** False if there is no room: `payCredit` then names the subscription. */
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

  /** Credit found no room. */
  get owesCredit(): boolean {
    return this.#unpaid.size > 0;
  }

  noteRoom(): void {
    if (!this.#ring.isWaiting) this.#awaitsRoom = false;
  }

  /** There may be room for credit again. To be called before `sendWaiting`, since events wait for credit. */
  payCredit(pay: (subscription: number) => void): void {
    for (const subscription of this.#unpaid) {
      this.#unpaid.delete(subscription);
      pay(subscription);
      // Put back: there is no more room.
      if (this.#unpaid.has(subscription)) return;
    }
  }

  /** There may be room for requests again. Wakes the shard for what finds some: it may have parked since it made it. */
  sendWaiting(): void {
    let sent = 0;
    while (this.#unsent.length > 0 && this.#send(this.#unsent.peek()!)) {
      this.#unsent.shift();
      sent++;
    }
    if (sent > 0) this.#wakeShard();
  }

  /**
   * The shard's thread was replaced. Subscriptions are said again in `resubscribe`, with windows that hold what was
   * owed, before the questions that are still open are put again.
   */
  relink(port: MessagePort, generation: number, resubscribe: () => void): void {
    this.#generation = generation;
    this.#records.relink(port);
    const open = [...this.#requests.keys()];
    this.#unsent.clear();
    this.#unpaid.clear();
    resubscribe();
    for (const id of open) this.#sendOrKeep(id);
  }

  fail(error: BusError): void {
    for (const { reject } of this.#requests.values()) reject(error);
    this.#requests.clear();
    this.#unsent.clear();
    this.#unpaid.clear();
  }

  #tryClaim(length: number): boolean {
    if (this.#records.tryClaim(length)) return true;
    this.#awaitsRoom = true;
    this.#ring.setWaiting();
    return this.#records.tryClaim(length);
  }

  #sendOrKeep(id: number): void {
    if (this.#unsent.length > 0 || !this.#send(id)) this.#unsent.push(id);
  }

  #send(id: number): boolean {
    const request = this.#requests.get(id);
    if (request === undefined) return true;
    const body = JSON.stringify(request.body());
    const records = this.#records;
    if (!this.#tryClaim(CONTROL_BODY + Buffer.byteLength(body))) return false;
    const { bytes, offset } = records;
    bytes.writeInt32LE(this.#generation, offset + CONTROL_GENERATION);
    bytes.writeInt32LE(id, offset + CONTROL_REQUEST_ID);
    bytes.write(body, offset + CONTROL_BODY);
    records.commit(request.type);
    return true;
  }
}
