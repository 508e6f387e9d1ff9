import { Deadlines } from './deadlines.js';
import type { Failures } from './failures.js';
import { KeyChains } from './key-chains.js';
import { Lane } from './lane.js';
import type { Decisions } from './machine-types.js';
import { Members } from './members.js';
import {
  ALONE,
  BEGUN,
  DETACHED,
  EXPIRED,
  GONE,
  HELD,
  KEY_OUT,
  KEY_TAKEN,
  LEASED,
  LISTED,
  OpenEvents,
  READY,
  TOLD,
  UNCLAIMED,
  UNREAD,
  WAITING,
} from './open-events.js';

const LOSSES_MAX = 255;
const OF_A_LEASE = BEGUN | ALONE | DETACHED | TOLD | UNCLAIMED;

type LedgerDecisions = Pick<Decisions, 'gone' | 'expired' | 'keyKept' | 'keyFreed'>;

/** A lease that was told and has ended without a settlement. */
interface LostLease {
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
}

/**
 * The elementary moves of an open event from one state to the next, with all the lists that it is in. `machine.ts`
 * decides which move an input makes. Single-threaded, no I/O, no clock: `now` is the latest time that the machine was
 * given.
 */
export class Ledger {
  readonly open = new OpenEvents();
  readonly chains = new KeyChains(this.open);
  readonly deadlines = new Deadlines(this.open);
  readonly members = new Members(this.open);
  readonly failures: Failures;
  lanes: Lane[];
  leaseNext = 1;
  /** How many events wait because another shard has a member out with their key. */
  aside = 0;
  now = 0;
  /** The slots of leases that were given and not told, in the order of the leases; some may have ended since. */
  readonly untold: number[] = [];
  /** Leases that ended since they were told, in their order. */
  readonly lostLeases: LostLease[] = [];
  readonly #decisions: LedgerDecisions;

  constructor(lanes: number, decisions: LedgerDecisions, failures: Failures) {
    this.#decisions = decisions;
    this.failures = failures;
    this.lanes = this.#makeLanes(lanes);
  }

  /** Whether nothing is open, and all lanes have come equally far, so that they may be divided anew. */
  get isLevel(): boolean {
    const { position } = this.lanes[0]!;
    return this.open.size === 0 && this.lanes.every((lane) => lane.position === position);
  }

  /** Other lanes from the present position on; the first one keeps what all of them have counted. */
  divide(lanes: number): void {
    const before = this.lanes;
    this.lanes = this.#makeLanes(lanes);
    for (const lane of this.lanes) {
      lane.reset(before[0]!.position);
      this.open.dirty[lane.index] = 1;
    }
    const [first] = this.lanes;
    for (const { acked, redelivered, lost, expired } of before) {
      first!.expired += expired;
      first!.acked += acked;
      first!.redelivered += redelivered;
      first!.lost += lost;
    }
  }

  #makeLanes(count: number): Lane[] {
    return Array.from({ length: count }, (_, index) => new Lane(index, this.open));
  }

  laneOf(slot: number): Lane {
    return this.lanes[this.open.lane[slot]!]!;
  }

  /** From no list to the queue of its lane; an event whose key is not known yet has to be read before. */
  makeReady(slot: number): void {
    this.open.due[slot] = 0;
    if (this.open.has(slot, UNREAD)) {
      this.open.moveTo(slot, LISTED);
      return;
    }
    this.open.moveTo(slot, READY);
    this.laneOf(slot).enqueue(slot);
  }

  /** Another shard has its key: it is ready again at a time. What is stored of it stays the same. */
  setAside(slot: number, due: number): void {
    this.laneOf(slot).dequeue(slot);
    this.open.set(slot, KEY_TAKEN);
    this.aside++;
    this.open.moveQuietly(slot, WAITING);
    this.deadlines.addWait(slot, due);
  }

  /** Its time has come. */
  endWait(slot: number): void {
    if (!this.open.has(slot, KEY_TAKEN)) {
      this.makeReady(slot);
      return;
    }
    this.open.unset(slot, KEY_TAKEN);
    this.aside--;
    this.open.due[slot] = 0;
    this.open.moveQuietly(slot, READY);
    this.laneOf(slot).enqueue(slot);
  }

  makeWait(slot: number, due: number): void {
    this.open.moveTo(slot, WAITING);
    this.deadlines.addWait(slot, due);
  }

  /** The key of an open event is known now. */
  setKey(slot: number, key: string | undefined): void {
    const { open } = this;
    open.unset(slot, UNREAD);
    const isFirst = key === undefined || this.chains.append(slot, key);
    const state = open.state[slot]!;
    if (state === LEASED) {
      if (key === undefined) return;
      open.set(slot, KEY_OUT);
      this.#decisions.keyKept(key);
      return;
    }
    if (isFirst) {
      if (state !== WAITING) this.#advance(slot);
      return;
    }
    // A redriven one is read behind the others of its key; the time that it waits for stays.
    if (state === WAITING) this.deadlines.remove(slot);
    open.moveTo(slot, HELD);
  }

  /** Takes an event out of whatever it is in; the next one of its key is free. */
  remove(slot: number): void {
    const { open } = this;
    const state = open.state[slot]!;
    if (state === READY) this.laneOf(slot).dequeue(slot);
    else if (state === WAITING) {
      this.deadlines.remove(slot);
      if (open.has(slot, KEY_TAKEN)) this.aside--;
    } else if (state === LEASED) this.endLease(slot);
    const next = this.chains.remove(slot);
    this.laneOf(slot).forget(slot);
    this.failures.forget(open.sequence[slot]!);
    open.release(slot);
    if (next >= 0) this.#advance(next);
  }

  /** The event was removed from the log before it was done. */
  removeGone(slot: number): void {
    const lane = this.laneOf(slot);
    lane.lost++;
    this.#decisions.gone(lane.index, this.open.sequence[slot]!);
    this.remove(slot);
  }

  /** The event's time was over before it was done. */
  removeExpired(slot: number): void {
    const lane = this.laneOf(slot);
    const sequence = this.open.sequence[slot]!;
    lane.expired++;
    this.#decisions.expired(lane.index, sequence);
    this.remove(slot);
  }

  /** Removes an event that does not come again, as it is gone or its time is over; false if it may. */
  removeOver(slot: number): boolean {
    if (this.open.has(slot, EXPIRED)) this.removeExpired(slot);
    else if (this.open.has(slot, GONE)) this.removeGone(slot);
    else return false;
    return true;
  }

  /**
   * Ends a lease: the event is in no list of leases any more, and in no other either. A token whose lease was never told
   * lies in the shard again.
   */
  endLease(slot: number): void {
    const { open } = this;
    this.deadlines.remove(slot);
    const isUntold = !open.has(slot, TOLD | UNCLAIMED);
    const member = this.members.release(slot);
    if (member !== undefined) {
      if (open.has(slot, ALONE)) member.isAlone = false;
      if (isUntold) this.members.supply(member, 1);
    }
    open.unset(slot, OF_A_LEASE);
    if (!open.has(slot, KEY_OUT)) return;
    open.unset(slot, KEY_OUT);
    this.#decisions.keyFreed(this.chains.keyOf(slot)!);
  }

  /** Notes that a lease ends which its member knows of and does not end itself. */
  noteLost(slot: number): void {
    const member = this.members.holderOf(slot);
    if (member === undefined || !this.open.has(slot, TOLD)) return;
    const { sequence, lease } = this.open;
    this.lostLeases.push({ member: member.id, sequence: sequence[slot]!, lease: lease[slot]! });
  }

  /** After the end of its lease: ready again, unless the log has lost it meanwhile, or its time is over. */
  putBack(slot: number): void {
    if (!this.removeOver(slot)) this.makeReady(slot);
  }

  putBackLater(slot: number, due: number): void {
    if (this.removeOver(slot)) return;
    if (due <= this.now) this.makeReady(slot);
    else this.makeWait(slot, due);
  }

  /** Its member died with it in hand. Deaths that are further apart than `withinMs` do not count together. */
  addLoss(slot: number, withinMs: number): void {
    const { losses, lostAt } = this.open;
    const isSoon = this.now - lostAt[slot]! <= withinMs;
    losses[slot] = isSoon ? Math.min(losses[slot]! + 1, LOSSES_MAX) : 1;
    lostAt[slot] = this.now;
  }

  /** The event has become the first of its key. */
  #advance(slot: number): void {
    const due = this.open.due[slot]!;
    if (due > this.now) this.makeWait(slot, due);
    else this.makeReady(slot);
  }
}
