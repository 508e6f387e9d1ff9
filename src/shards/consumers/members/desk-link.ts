/**
 * What the desk has to tell the endpoint of one link, in order: confirmations, then leases and supply. It waits here
 * while the delivery ring has no room. The endpoint bounds it: it has given the tokens for the leases, and has sent the
 * settlements. Only the shard's loop touches this.
 */
import { Queue } from '../../../collections/queue.js';
import {
  DELIVERY_LEASE,
  DELIVERY_SETTLED,
  DELIVERY_SUPPLY,
  LEASE_ALONE,
  LEASE_DETACHED,
  LEASE_EVENT,
  LOST_RECORD_LENGTH,
  SUPPLY_RECORD_LENGTH,
  SUPPLY_RETURNED,
} from '../../../link/consumer-records.js';
import {
  settledRecordLength,
  writeLease,
  writeLost,
  writeSettled,
  writeSupply,
} from '../../../link/consumer-writers.js';
import type { ShardEnd } from '../../shard-end.js';
import type { EventFinder } from '../reading/event-finder.js';

type FoundEvents = Pick<EventFinder, 'find' | 'used'>;

interface Lease {
  readonly is: 'lease';
  readonly member: number;
  /** The consumer's id. */
  readonly consumer: string;
  readonly sequence: number;
  readonly lease: number;
  readonly attempt: number;
  readonly deadline: number;
  readonly isAlone: boolean;
  readonly isDetached: boolean;
}

interface Lost {
  readonly is: 'lost';
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
}

interface Supply {
  readonly is: 'supply';
  readonly member: number;
  readonly what: number;
  readonly count: number;
}

interface Settled {
  through: number;
  readonly refused: number[];
}

export class DeskLink<Member> {
  readonly end: ShardEnd;
  /** The number of the endpoint's last settlement that was decided. */
  settled: number;
  /** The settlements since the last commit have changed something. */
  isSettledDirty = false;
  /** The members of the endpoint, by its own numbers. */
  readonly members = new Map<number, Member>();
  /** The reasons of settlements that have not come yet, by their numbers. */
  readonly reasons = new Map<number, string>();
  readonly #decided = new Map<number, Settled>();
  readonly #outgoing = new Queue<Lease | Lost | Supply>();

  constructor(end: ShardEnd, settled: number) {
    this.end = end;
    this.settled = settled;
  }

  /** True if something is not told yet. */
  get owes(): boolean {
    return this.#decided.size > 0 || this.#outgoing.length > 0;
  }

  /** True if something waits that could be told now. */
  get mayTell(): boolean {
    return this.owes && !this.end.isBlocked && this.end.mayHaveRoom;
  }

  /** The reason of a settlement, which comes once. */
  takeReason(number: number): string {
    if (this.reasons.size === 0) return '';
    const reason = this.reasons.get(number) ?? '';
    this.reasons.delete(number);
    return reason;
  }

  noteSettled(member: number, number: number, isRefused: boolean): void {
    let decided = this.#decided.get(member);
    if (decided === undefined) {
      decided = { through: 0, refused: [] };
      this.#decided.set(member, decided);
    }
    decided.through = number;
    if (isRefused) decided.refused.push(number);
    if (number > this.settled) this.settled = number;
  }

  say(telling: Lease | Lost | Supply): void {
    this.#outgoing.push(telling);
  }

  /** Tells as much as there is room for. */
  tell(events: FoundEvents): void {
    for (const [member, { through, refused }] of this.#decided) {
      const length = settledRecordLength(refused.length);
      const isSent = this.end.trySend(DELIVERY_SETTLED, length, (bytes, offset) =>
        writeSettled(bytes, offset, member, through, refused),
      );
      if (!isSent) return;
      this.#decided.delete(member);
    }
    while (this.#outgoing.length > 0 && this.#send(this.#outgoing.peek()!, events)) {
      this.#outgoing.shift();
    }
  }

  #send(telling: Lease | Lost | Supply, events: FoundEvents): boolean {
    const { end } = this;
    const { member } = telling;
    if (telling.is === 'supply') {
      return this.#sendSupply(member, telling.what, telling.count);
    }
    const { sequence, lease } = telling;
    if (telling.is === 'lost') {
      return end.trySend(DELIVERY_SUPPLY, LOST_RECORD_LENGTH, (bytes, offset) =>
        writeLost(bytes, offset, member, sequence, lease),
      );
    }
    const event = events.find(sequence, telling.consumer);
    // The log has lost the event since it was leased: the lease runs out, and the event is then found to be gone. The
    // endpoint never hears of the lease, so it gets the token back.
    if (event === undefined) return this.#sendSupply(member, SUPPLY_RETURNED, 1);
    const { attempt, deadline, isAlone, isDetached } = telling;
    const isSent = end.trySend(DELIVERY_LEASE, LEASE_EVENT + event.length, (bytes, offset) => {
      const flags = (isAlone ? LEASE_ALONE : 0) | (isDetached ? LEASE_DETACHED : 0);
      writeLease(bytes, offset, member, sequence, lease, attempt, deadline, flags);
      event.bytes.copy(bytes, offset + LEASE_EVENT, event.offset, event.offset + event.length);
    });
    if (isSent) events.used(sequence);
    return isSent;
  }

  #sendSupply(member: number, what: number, count: number): boolean {
    return this.end.trySend(DELIVERY_SUPPLY, SUPPLY_RECORD_LENGTH, (bytes, offset) =>
      writeSupply(bytes, offset, member, what, count),
    );
  }
}
