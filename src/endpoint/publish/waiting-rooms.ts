/**
 * Publishes that wait for room in their shard's ring: a bounded number, in order, each for a limited time. Used by the
 * endpoint's thread alone.
 */
import { Queue } from '../../collections/queue.js';
import { Waiters } from '../../handout/waiters.js';
import { BusError } from '../../protocol/errors.js';
import { PUBLISH_WAITERS_BYTES_MAX, PUBLISH_WAITERS_MAX } from '../../protocol/limits/endpoint.js';
import type { EndpointEnd, PendingPublish, PublishRecord } from '../links/endpoint-end.js';

/** How often to look for room, ms, in case a wake-up is lost with a shard's thread. */
const LOOK_INTERVAL_MS = 100;

/** A publish that waits for room. */
export interface Waiter {
  readonly record: PublishRecord;
  readonly pending: PendingPublish;
  readonly deadline: number;
  /** The publisher gave it up before it was handed to the shard. */
  isAbandoned: boolean;
  isHanded: boolean;
}

class WaitingRoom {
  readonly waiters = new Queue<Waiter>();
  bytes = 0;

  isFull(length: number): boolean {
    if (this.waiters.length >= PUBLISH_WAITERS_MAX) return true;
    return this.bytes > 0 && this.bytes + length > PUBLISH_WAITERS_BYTES_MAX;
  }

  push(waiter: Waiter): void {
    this.waiters.push(waiter);
    this.bytes += waiter.record.bytes.length;
  }

  shift(): Waiter | undefined {
    const waiter = this.waiters.shift();
    if (waiter !== undefined) this.bytes -= waiter.record.bytes.length;
    return waiter;
  }
}

export class WaitingRooms {
  readonly #ends: readonly EndpointEnd[];
  readonly #waitMs: number;
  readonly #rooms: readonly WaitingRoom[];
  readonly #drained = new Waiters();
  /** How many calls of `drained` wait. */
  #draining = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `waitMs`: how long a publish may wait; 0 refuses it at once. */
  constructor(ends: readonly EndpointEnd[], waitMs: number) {
    this.#ends = ends;
    this.#waitMs = waitMs;
    this.#rooms = ends.map(() => new WaitingRoom());
  }

  get length(): number {
    return this.#rooms.reduce((sum, { waiters }) => sum + waiters.length, 0);
  }

  /** True if publishes wait for this shard already; they go first. */
  isAwaited(end: EndpointEnd): boolean {
    return this.#rooms[end.shard]!.waiters.length > 0;
  }

  /**
   * Lets a record of `length` bytes wait, which `encode` makes. Never throws: if it may not wait, `pending` fails.
   */
  add(
    end: EndpointEnd,
    length: number,
    encode: () => PublishRecord,
    pending: PendingPublish,
  ): Waiter | undefined {
    const room = this.#rooms[end.shard]!;
    if (this.#waitMs === 0 || room.isFull(length)) {
      const { length: waiting } = room.waiters;
      const cause = room.isFull(length)
        ? `${waiting} publishes wait for it, and no more may`
        : 'its ring is full, and this publish may not wait';
      pending.fail(backpressure(end, cause, 0, waiting));
      return undefined;
    }
    const record = encode();
    const deadline = performance.now() + this.#waitMs;
    const waiter: Waiter = { record, pending, deadline, isAbandoned: false, isHanded: false };
    room.push(waiter);
    this.#admit(end);
    this.#setTimer();
    return waiter;
  }

  /** Resolves once nothing waits, no calls hold publishes up, and every ring is at most half full. */
  async drained(): Promise<void> {
    if (this.#hasRoom()) return;
    for (const end of this.#ends) end.requestRoom();
    this.#draining++;
    this.#setTimer();
    await this.#drained.when(() => this.#isClosed || this.#hasRoom());
    this.#draining--;
  }

  /** Hands over waiting publishes: there may be room again. */
  pump(): void {
    for (const end of this.#ends) this.#admit(end);
    this.#drained.wake();
  }

  /** The shard was given up: fails everything that waits for it. */
  fail(end: EndpointEnd, error: BusError): void {
    failAll(this.#rooms[end.shard]!, error);
    this.pump();
  }

  close(error: BusError): void {
    this.#isClosed = true;
    for (const room of this.#rooms) failAll(room, error);
    this.#drained.wake();
    clearTimeout(this.#timer);
  }

  /** Hands over the publishes that wait for this shard, in order, as far as there is room. */
  #admit(end: EndpointEnd): void {
    const room = this.#rooms[end.shard]!;
    let isAsked = false;
    for (let waiter = room.waiters.peek(); waiter !== undefined; waiter = room.waiters.peek()) {
      if (!waiter.isAbandoned && !end.tryPublishRecord(waiter.record, waiter.pending)) {
        if (isAsked) return;
        // Asked before the last try: a release in between would be missed otherwise.
        end.requestRoom();
        isAsked = true;
        continue;
      }
      waiter.isHanded = true;
      room.shift();
    }
  }

  #hasRoom(): boolean {
    return this.length === 0 && this.#ends.every(hasRoom);
  }

  /** One timer serves all that wait. */
  #setTimer(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.pump();
      const now = performance.now();
      for (const end of this.#ends) this.#expire(end, now);
      this.#drained.wake();
      if (this.#draining > 0 || this.length > 0) this.#setTimer();
    }, this.#timerMs());
  }

  #timerMs(): number {
    const now = performance.now();
    let deadline = now + LOOK_INTERVAL_MS;
    for (const { waiters } of this.#rooms) {
      deadline = Math.min(deadline, waiters.peek()?.deadline ?? deadline);
    }
    return Math.max(1, deadline - now);
  }

  #expire(end: EndpointEnd, now: number): void {
    const room = this.#rooms[end.shard]!;
    for (let waiter = room.waiters.peek(); waiter !== undefined; waiter = room.waiters.peek()) {
      if (waiter.deadline > now) return;
      room.shift();
      if (waiter.isAbandoned) continue;
      const { length: waiting } = room.waiters;
      const others = waiting === 1 ? 'another one waits' : `${waiting} others wait`;
      const cause = `waited ${this.#waitMs} ms for room in its ring${waiting === 0 ? '' : `; ${others}`}`;
      waiter.pending.fail(backpressure(end, cause, this.#waitMs, waiting));
    }
  }
}

function hasRoom(end: EndpointEnd): boolean {
  if (end.failure !== undefined) return true;
  return !end.holdsPublishes && end.publishFill <= 0.5;
}

function failAll(room: WaitingRoom, error: BusError): void {
  for (let waiter = room.shift(); waiter !== undefined; waiter = room.shift()) {
    if (!waiter.isAbandoned) waiter.pending.fail(error);
  }
}

function backpressure(
  { shard }: EndpointEnd,
  cause: string,
  waitedMs: number,
  waiting: number,
): BusError {
  return new BusError('BACKPRESSURE', `shard ${shard} took no more events: ${cause}`, {
    details: { shard, waitedMs, waiting },
  });
}
