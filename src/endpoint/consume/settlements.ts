/**
 * All that the members of one endpoint say of their leases in one shard: acks, naks and the like. They are numbered
 * from 1 on when they are sent, and kept until the shard confirms them, so that its next thread is told them again.
 * Used by the endpoint's thread alone.
 */
import { Queue } from '../../collections/queue.js';
import { decide, type Said } from '../../handout/consume/held-delivery.js';
import { CONTROL_REASON, CONTROL_SETTLE } from '../../link/consumer-records.js';
import { SettledView } from '../../link/consumer-views.js';
import {
  reasonRecordLength,
  settleRecordLength,
  writeReason,
  writeSettle,
} from '../../link/consumer-writers.js';
import type { BusError } from '../../protocol/errors.js';
import { SETTLEMENTS_OUT_MAX, SETTLEMENTS_PER_RECORD } from '../../protocol/limits/consumers.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

export interface Settlement extends Said {
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
  /** One of `SETTLE_…`. */
  readonly kind: number;
  /** ms, or `DELAY_OF_BACKOFF`. */
  readonly delayMs: number;
  readonly reason: string;
  /** When the lease runs out, a time of `elapsedMs`. */
  readonly deadline: number;
  /** 0 until it is sent. */
  number: number;
}

interface OfMember {
  unsent: Settlement[];
  /** In the order of their numbers. */
  readonly unconfirmed: Queue<Settlement>;
}

/** The part of an end that is needed here. */
export type SettlingEnd = Pick<EndpointEnd, 'send' | 'failure'>;

export class Settlements {
  readonly #end: SettlingEnd;
  readonly #members = new Map<number, OfMember>();
  readonly #view = new SettledView();
  #nextNumber = 1;
  #out = 0;

  constructor(end: SettlingEnd) {
    this.#end = end;
  }

  /** How many are not confirmed. */
  get out(): number {
    return this.#out;
  }

  /** True if no member may begin another event of this shard: so many are not confirmed. */
  get isFull(): boolean {
    return this.#out >= SETTLEMENTS_OUT_MAX;
  }

  /** The number of the last one that was sent. */
  get last(): number {
    return this.#nextNumber - 1;
  }

  /** All up to this number are confirmed. */
  get confirmed(): number {
    let first = this.#nextNumber;
    for (const { unconfirmed } of this.#members.values()) {
      first = Math.min(first, unconfirmed.peek()?.number ?? first);
    }
    return first - 1;
  }

  /** Those of a member that are not confirmed, sent or not. */
  of(member: number): readonly Settlement[] {
    const of = this.#members.get(member);
    return of === undefined ? [] : [...of.unconfirmed, ...of.unsent];
  }

  hasOf(member: number): boolean {
    const of = this.#members.get(member);
    return of !== undefined && of.unsent.length + of.unconfirmed.length > 0;
  }

  /** Takes one, to be sent by the next `flush`, or at once if a record is full. */
  add(settlement: Settlement): void {
    const { failure } = this.#end;
    if (failure !== undefined) {
      decide(settlement, failure);
      return;
    }
    let of = this.#members.get(settlement.member);
    if (of === undefined) {
      of = { unsent: [], unconfirmed: new Queue() };
      this.#members.set(settlement.member, of);
    }
    this.#out++;
    of.unsent.push(settlement);
    if (of.unsent.length >= SETTLEMENTS_PER_RECORD) this.#send(settlement.member, of);
  }

  /** Sends those of a member that are not sent yet; they fit into one record. */
  flush(member: number): void {
    const of = this.#members.get(member);
    if (of !== undefined && of.unsent.length > 0) this.#send(member, of);
  }

  /** Takes a SETTLED record: decides all of its member up to its number. @returns the member */
  onSettled(bytes: Buffer, offset: number, length: number): number {
    const view = this.#view.wrap(bytes, offset, length);
    const { member, through, count } = view;
    const unconfirmed = this.#members.get(member)?.unconfirmed;
    let refused = 0;
    for (let next = unconfirmed?.peek(); next !== undefined && next.number <= through; ) {
      unconfirmed!.shift();
      while (refused < count && view.refused(refused) < next.number) refused++;
      this.#out--;
      const isRefused = refused < count && view.refused(refused) === next.number;
      decide(next, isRefused ? 'lost' : 'done');
      next = unconfirmed!.peek();
    }
    return member;
  }

  /** The shard's thread was replaced: sends what is not confirmed again, in the order of the numbers. */
  resend(): void {
    const sent: Settlement[] = [];
    for (const { unconfirmed } of this.#members.values()) sent.push(...unconfirmed);
    sent.sort((a, b) => a.number - b.number);
    for (let from = 0; from < sent.length; ) {
      const { member } = sent[from]!;
      let to = from + 1;
      while (
        to < sent.length &&
        to - from < SETTLEMENTS_PER_RECORD &&
        sent[to]!.member === member
      ) {
        if (sent[to]!.number !== sent[to - 1]!.number + 1) break;
        to++;
      }
      this.#write(member, sent.slice(from, to));
      from = to;
    }
  }

  /** The consumer is gone, and with it the leases: nothing that the member said will be confirmed. */
  abandon(member: number): void {
    const all = this.of(member);
    this.#members.delete(member);
    this.#out -= all.length;
    for (const settlement of all) decide(settlement, 'lost');
  }

  /** The member has left, and nothing of it is unconfirmed. */
  forget(member: number): void {
    this.#members.delete(member);
  }

  /** Nobody will confirm any more. */
  fail(error: BusError): void {
    const all = [...this.#members.values()].flatMap((of) => [...of.unconfirmed, ...of.unsent]);
    this.#members.clear();
    this.#out = 0;
    for (const settlement of all) decide(settlement, error);
  }

  #send(member: number, of: OfMember): void {
    const { unsent } = of;
    of.unsent = [];
    for (const settlement of unsent) {
      settlement.number = this.#nextNumber++;
      of.unconfirmed.push(settlement);
    }
    this.#write(member, unsent);
  }

  /** Sends one record of consecutive settlements, behind the reasons that some of them have. */
  #write(member: number, settlements: readonly Settlement[]): void {
    const end = this.#end;
    for (const { number, reason } of settlements) {
      if (reason === '') continue;
      end.send(CONTROL_REASON, reasonRecordLength(reason), (bytes, offset, generation) =>
        writeReason(bytes, offset, { generation, member }, number, reason),
      );
    }
    const length = settleRecordLength(settlements.length);
    const first = settlements[0]!.number;
    end.send(CONTROL_SETTLE, length, (bytes, offset, generation) =>
      writeSettle(bytes, offset, { generation, member }, first, settlements),
    );
  }
}
