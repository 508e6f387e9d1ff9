import { GATE_WAIT_MS } from '../protocol/limits/consumers.js';
import type { Lane } from './lane.js';
import { isAlone } from './lane.js';
import type { Ledger } from './ledger.js';
import type { Decisions } from './machine-types.js';
import type { Member } from './members.js';
import { ALONE, DETACHED, KEY_OUT, LEASED } from './open-events.js';

/** Which ready event goes to which member. Part of the machine. */
export class Leasing {
  readonly #ledger: Ledger;
  readonly #decisions: Decisions;
  /** It is leased nothing further from this lane and those behind, until it can take the lane's first careful event. */
  #reserved: Member | undefined;
  #reservedFor = 0;

  constructor(ledger: Ledger, decisions: Decisions) {
    this.#ledger = ledger;
    this.#decisions = decisions;
  }

  /** Offers at most so many events, and returns how many were leased. */
  lease(limit: number, leaseMs: number): number {
    const { lanes, members, leaseNext: first } = this.#ledger;
    let left = limit;
    if ((lanes[this.#reservedFor]?.careful ?? -1) < 0) this.#reserved = undefined;
    for (const lane of lanes) {
      left = this.#leaseCareful(lane, left, leaseMs);
      while (left > 0 && lane.next >= 0) {
        const isLower = lane.index >= this.#reservedFor;
        const member = members.next(isLower ? this.#reserved : undefined);
        if (member === undefined) break;
        left = this.#offer(lane.next, member, false, leaseMs) ? left - 1 : 0;
      }
    }
    return this.#ledger.leaseNext - first;
  }

  /** Events that were in hand at a death: never ahead of the handlers, and from the second loss on alone. */
  #leaseCareful(lane: Lane, limit: number, leaseMs: number): number {
    let left = limit;
    while (left > 0 && lane.careful >= 0) {
      const alone = isAlone(this.#ledger.open, lane.careful);
      const member = this.#careTaker(lane, alone);
      if (member === undefined) break;
      left = this.#offer(lane.careful, member, alone, leaseMs) ? left - 1 : 0;
      this.#reserved = undefined;
    }
    return left;
  }

  /** A member that can take a careful event now; if none can, one of them is kept free until it can. */
  #careTaker(lane: Lane, alone: boolean): Member | undefined {
    const least = this.#ledger.members.leastBusy();
    if (least === undefined) return undefined;
    if (least.isDetached || least.hand.length < (alone ? 1 : least.concurrency)) return least;
    const reserved = this.#reserved;
    if (reserved === undefined || reserved.place < 0 || reserved.isAlone) {
      this.#reserved = least;
      this.#reservedFor = lane.index;
    } else if (!alone && reserved.hand.length < reserved.concurrency) return reserved;
    return undefined;
  }

  /** Returns false if nothing further is to be offered. */
  #offer(slot: number, member: Member, alone: boolean, leaseMs: number): boolean {
    const lane = this.#ledger.laneOf(slot);
    const { open, chains, now } = this.#ledger;
    const key = chains.keyOf(slot);
    const examined = this.#decisions.examine(lane.index, open.sequence[slot]!, key);
    if (examined === 'later') return false;
    if (examined === 'taken') this.#ledger.setAside(slot, now + GATE_WAIT_MS);
    else if (examined === 'there') this.#give(slot, member, alone, leaseMs);
    else if (examined === 'gone') this.#ledger.removeGone(slot);
    else if (examined === 'expired') this.#ledger.removeExpired(slot);
    else this.#ledger.remove(slot);
    return true;
  }

  #give(slot: number, member: Member, alone: boolean, leaseMs: number): void {
    const lane = this.#ledger.laneOf(slot);
    const { open, members, deadlines, now } = this.#ledger;
    lane.dequeue(slot);
    if (open.lease[slot]! > 0 || open.attempts[slot]! > 0) lane.redelivered++;
    open.moveTo(slot, LEASED);
    open.lease[slot] = this.#ledger.leaseNext++;
    if (member.isDetached) open.set(slot, DETACHED);
    else if (alone) {
      open.set(slot, ALONE);
      member.isAlone = true;
    }
    if (this.#ledger.chains.keyOf(slot) !== undefined) open.set(slot, KEY_OUT);
    deadlines.addLease(slot, now + leaseMs);
    members.hold(member, slot);
    members.promote(member);
    members.supply(member, -1);
    this.#ledger.untold.push(slot);
  }
}
