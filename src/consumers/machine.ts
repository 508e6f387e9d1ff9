import { CONSUMER_PASSED_MAX } from '../protocol/limits/consumers.js';
import { Endings } from './endings.js';
import { FailureMemory, Failures } from './failures.js';
import { expire, prune, redrive, seek, skip, undoAfter } from './interventions.js';
import type { Lane } from './lane.js';
import { Leasing } from './leasing.js';
import { Ledger } from './ledger.js';
import { listKeys, listOpen } from './listing.js';
import type {
  Before,
  Decisions,
  HeldKeySlot,
  HeldLease,
  MachineCounts,
  MachineDefinition,
  MemberEnd,
  OpenSlot,
  Redriven,
  RestoredLane,
  SettlementKind,
  Tellings,
  Verdict,
} from './machine-types.js';
import type { Member } from './members.js';
import {
  ALONE,
  DETACHED,
  ENDING,
  HELD,
  KEY_TAKEN,
  LEASED,
  LISTED,
  READY,
  TOLD,
  UNCLAIMED,
  UNREAD,
  WAITING,
} from './open-events.js';
import { OpenListWriter } from './open-list.js';
import { restore, slotsOf } from './restore.js';
import { Telling } from './telling.js';

/**
 * The state machine of one consumer in one shard: which events are open, who has which of them, and what becomes of
 * them. It does no I/O and has no clock: `now` is monotonic ms, and never goes back. A turn of its owner, a shard's
 * desk, has three parts:
 *
 * 1. *Decide*: `settle`, `read`, `expire`, `lease` and all other inputs, in any order.
 * 2. *Commit* the bytes of `store` for each lane that `isDirty`, in one transaction with the turn's events; then
 *    `committed`.
 * 3. `tell` what was decided. Nothing is told, and no settlement is confirmed, before the commit.
 *
 * The states and inputs are drawn in docs/ARCHITECTURE.md. Throws only if it is misused, or for a damaged list.
 */
export class ConsumerMachine {
  readonly #ledger: Ledger;
  readonly #endings: Endings;
  readonly #leasing: Leasing;
  readonly #telling: Telling;
  readonly #writer = new OpenListWriter();
  #isPaused = false;

  /**
   * @param memory keeps why attempts failed; other machines may share it
   * @throws BusError `STORE_CORRUPT`
   */
  constructor(
    definition: MachineDefinition,
    decisions: Decisions,
    stored: readonly RestoredLane[],
    before: Before,
    now: number,
    memory = new FailureMemory(),
  ) {
    this.#ledger = new Ledger(definition.lanes, decisions, new Failures(memory));
    this.#ledger.now = now;
    this.#endings = new Endings(this.#ledger, definition, decisions);
    this.#leasing = new Leasing(this.#ledger, decisions);
    this.#telling = new Telling(this.#ledger);
    const lost = restore(this.#ledger, definition, stored, before);
    for (const slot of lost) this.#endings.lostWithProcess(slot);
  }

  /** The number of the next lease; stored with each lane. */
  get leaseNext(): number {
    return this.#ledger.leaseNext;
  }

  /** When `expire` has something to do, monotonic ms; `Infinity`: never. */
  get nextDue(): number {
    return this.#ledger.deadlines.next;
  }

  get counts(): MachineCounts {
    const { aside, open } = this.#ledger;
    const { counts, size } = open;
    return {
      open: size,
      listed: counts[LISTED]!,
      held: counts[HELD]! + aside,
      ready: counts[READY]!,
      leased: counts[LEASED]!,
      waiting: counts[WAITING]! - aside,
    };
  }

  /** How many events could be leased now, for all that the machine knows. */
  get leasable(): number {
    const { open, members } = this.#ledger;
    if (this.#isPaused) return 0;
    return Math.min(open.counts[READY]!, members.tokens);
  }

  /** Whether more events are ready than there are tokens. */
  get hasWaiting(): boolean {
    const { open, members } = this.#ledger;
    return open.counts[READY]! > members.tokens;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The lane's position, counters and the like; to be read only. */
  lane(lane: number): Readonly<Lane> {
    return this.#ledger.lanes[lane]!;
  }

  /** How many events are leased to a member. */
  inHand(member: number): number {
    return this.#ledger.members.get(member)?.hand.length ?? 0;
  }

  isOpen(sequence: number): boolean {
    return this.#ledger.open.find(sequence) >= 0;
  }

  // Reading.

  /** The first sequence that was open when the machine began and has to be read again for its key; 0: none has. */
  nextUnread(lane: number): number {
    return this.#endings.definition.hasKeys ? this.#ledger.lanes[lane]!.nextUnread() : 0;
  }

  /** Whether the lane takes events beyond its position. */
  wantsMore(lane: number): boolean {
    const isFull = this.#ledger.lanes[lane]!.openCount >= this.#endings.definition.maxAhead;
    return !isFull && this.nextUnread(lane) === 0;
  }

  /**
   * An event of the lane: one that `nextUnread` has named, or the next one beyond the position. `key` is `undefined` for
   * order `none` and for an event that lacks its key.
   */
  read(lane: number, sequence: number, key: string | undefined): void {
    const { open, lanes } = this.#ledger;
    const of = lanes[lane]!;
    if (sequence > of.position) {
      of.position = sequence;
      const slot = open.take(lane, sequence, LISTED);
      of.append(slot);
      this.#ledger.setKey(slot, key);
      return;
    }
    const slot = open.find(sequence);
    if (slot >= 0 && open.has(slot, UNREAD)) this.#ledger.setKey(slot, key);
  }

  /** No event of the lane is beyond its position up to here. */
  passed(lane: number, through: number): void {
    const of = this.#ledger.lanes[lane]!;
    if (through > of.position) of.position = through;
  }

  /** The log has lost all events beyond the position up to here; so many may have been of this lane. */
  missed(lane: number, through: number, count: number): void {
    this.passed(lane, through);
    this.#ledger.lanes[lane]!.lost += count;
    this.#ledger.open.touch(lane, through);
  }

  // Members.

  /** A member, or its new concurrency. */
  join(id: number, concurrency: number, isDetached: boolean): void {
    const { members } = this.#ledger;
    const member = members.get(id) ?? members.add(id, concurrency, isDetached);
    member.concurrency = concurrency;
    members.promote(member);
  }

  leave(id: number, end: MemberEnd, now: number): void {
    this.#ledger.now = now;
    const { members, open } = this.#ledger;
    const member = members.get(id);
    if (member === undefined) return;
    while (member.hand.first >= 0) {
      const slot = member.hand.first;
      // A detached lease is its caller's, who does not know of the gateway that handed it out.
      if (open.has(slot, DETACHED) && open.has(slot, TOLD)) members.release(slot);
      else this.#endings.giveUp(slot, end);
    }
    members.delete(member);
  }

  /** So many more events may be leased to the member. */
  tokens(id: number, count: number): void {
    const { members } = this.#ledger;
    const member = members.get(id);
    if (member !== undefined) members.supply(member, count);
  }

  /** Takes back up to so many tokens that are not used, and returns how many. */
  recall(id: number, count: number): number {
    const { members } = this.#ledger;
    const member = members.get(id);
    if (member === undefined) return 0;
    const taken = Math.min(count, member.tokens);
    members.supply(member, -taken);
    return taken;
  }

  /**
   * After a thread was replaced: the member holds these leases. Returns those that go on. What it can have begun of them
   * counts as begun only when all are known, as the order of its hand decides that.
   */
  claim(id: number, leases: readonly HeldLease[]): HeldLease[] {
    const member = this.#ledger.members.get(id);
    if (member === undefined) return [];
    const kept = leases.filter((lease) => this.#claim(member, lease));
    this.#ledger.members.promote(member);
    return kept;
  }

  #claim(member: Member, [sequence, lease, deadline]: HeldLease): boolean {
    const { open, members, deadlines } = this.#ledger;
    const slot = open.find(sequence);
    if (slot < 0 || open.lease[slot] !== lease) return false;
    if (!open.has(slot, UNCLAIMED)) {
      const holder = members.holderOf(slot);
      // A detached lease goes on without a holder, and has its deadline.
      if (holder !== undefined || !open.has(slot, DETACHED)) return holder === member;
      members.reclaim(member, slot);
      return true;
    }
    open.unset(slot, UNCLAIMED);
    open.set(slot, TOLD);
    if (open.has(slot, ALONE)) member.isAlone = true;
    deadlines.addLease(slot, deadline);
    members.reclaim(member, slot);
    return true;
  }

  /**
   * Gives back the leases that nobody has claimed. If all endpoints of before have joined, they were never told, and
   * their attempts are taken back. Otherwise their members have died.
   */
  endClaims(isComplete: boolean, now: number): void {
    this.#ledger.now = now;
    const { open, lanes } = this.#ledger;
    for (const slot of lanes.flatMap(slotsOf)) {
      if (!open.has(slot, UNCLAIMED)) continue;
      if (!isComplete) open.set(slot, TOLD);
      this.#endings.giveUp(slot, 'died');
    }
  }

  // Settling.

  /**
   * A member's word on a lease. `delayMs` under 0: the backoff for a `nak`, at once for a `hand-back`, which costs no
   * attempt. A settlement proves that its event had begun.
   */
  settle(
    sequence: number,
    lease: number,
    kind: SettlementKind,
    now: number,
    delayMs = -1,
    reason = '',
  ): Verdict {
    const { open } = this.#ledger;
    const slot = this.#leased(sequence, lease);
    if (slot < 0) return 'lost';
    this.#ledger.now = now;
    if (open.has(slot, UNCLAIMED)) open.flags[slot]! ^= UNCLAIMED | TOLD;
    this.#endings.settle(slot, kind, delayMs, reason);
    return 'done';
  }

  /** The slot of an event under this very lease, or -1. */
  #leased(sequence: number, lease: number): number {
    const { open } = this.#ledger;
    const slot = open.find(sequence);
    if (slot < 0 || open.state[slot] !== LEASED || open.lease[slot] !== lease) return -1;
    return slot;
  }

  /**
   * An ack that is stored with the open batch, or not at all: `store` leaves the event out from here on. `endAck` follows
   * when the batch is decided. Until then the lease does not run out.
   */
  beginAck(sequence: number, lease: number, now: number): Verdict {
    const { open, deadlines } = this.#ledger;
    const slot = this.#leased(sequence, lease);
    if (slot < 0 || open.has(slot, ENDING)) return 'lost';
    if (open.has(slot, UNCLAIMED)) {
      open.flags[slot]! ^= UNCLAIMED | TOLD;
      open.due[slot] = now + this.#endings.definition.leaseMs;
    }
    open.set(slot, ENDING);
    open.dirty[open.lane[slot]!] = 1;
    deadlines.remove(slot);
    return 'done';
  }

  /** The batch of `beginAck` is stored, and the event is done; or it was refused, and the lease goes on. */
  endAck(sequence: number, isStored: boolean, now: number): void {
    this.#ledger.now = now;
    const { open, deadlines } = this.#ledger;
    const slot = open.find(sequence);
    if (slot < 0 || !open.has(slot, ENDING)) return;
    open.unset(slot, ENDING);
    open.dirty[open.lane[slot]!] = 1;
    if (isStored) this.#endings.settle(slot, 'ack', -1, '');
    else deadlines.addLease(slot, open.due[slot]!);
  }

  /**
   * The answer to a settlement that was decided before the thread was replaced, and is sent again. An ack was refused
   * then if its event is open, dead, or to be read again after a `seek`; everything else was done, or is of no use.
   */
  settleAgain(kind: SettlementKind, lane: number, sequence: number, isDead: boolean): Verdict {
    const isUnread = sequence > this.#ledger.lanes[lane]!.position;
    return kind === 'ack' && (isDead || isUnread || this.isOpen(sequence)) ? 'lost' : 'done';
  }

  // Time.

  /** Ends the leases that have run out, and the waits. */
  expire(now: number): void {
    const { open, deadlines, members } = this.#ledger;
    this.#ledger.now = now;
    let hasExpired = false;
    for (let slot = deadlines.takeDue(now); slot >= 0; slot = deadlines.takeDue(now)) {
      if (open.state[slot] === LEASED) {
        this.#endings.expire(slot);
        hasExpired = true;
      } else this.#ledger.endWait(slot);
    }
    if (hasExpired) for (const member of members.all) members.promote(member);
  }

  /** Another shard has given up the key of an event, which is ready again if it waits for that. */
  retry(sequence: number): void {
    const { open, deadlines } = this.#ledger;
    const slot = open.find(sequence);
    if (slot < 0 || !open.has(slot, KEY_TAKEN)) return;
    deadlines.remove(slot);
    this.#ledger.endWait(slot);
  }

  // Leasing.

  /**
   * Leases ready events to members with tokens, at most so many, the first lanes first, and returns how many.
   * Needs an `expire` of the same time before it.
   */
  lease(limit: number, now: number): number {
    this.#ledger.now = now;
    return this.#isPaused ? 0 : this.#leasing.lease(limit, this.#endings.definition.leaseMs);
  }

  // Changes from outside.

  /** Leases nothing while it is paused. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** Forgets what is open, and goes on behind a position for each lane. */
  seek(positions: readonly number[]): void {
    seek(this.#ledger, positions);
  }

  /** Whether the order and the priority may change now. */
  get canReorder(): boolean {
    return this.#ledger.isLevel;
  }

  /** Another definition. The rows of lanes that it does not have any more are the owner's to remove. */
  redefine(definition: MachineDefinition): void {
    const { hasKeys, lanes } = this.#endings.definition;
    const isReordered = definition.lanes !== lanes || definition.hasKeys !== hasKeys;
    if (isReordered && !this.canReorder) {
      throw new Error('a consumer with open events keeps its order and its lanes');
    }
    if (definition.lanes !== lanes) this.#ledger.divide(definition.lanes);
    this.#endings.definition = definition;
  }

  /** The log has lost these events, all of them. One that is leased may still be acknowledged. */
  pruned(from: number, through: number): void {
    prune(this.#ledger, from, through);
  }

  /**
   * The event's time is over. One that is leased may still be acknowledged. Returns whether it has changed anything.
   */
  expired(sequence: number): boolean {
    return expire(this.#ledger, sequence);
  }

  /** An event of the lane beyond its position is over before it was read. */
  passExpired(lane: number): void {
    this.#ledger.lanes[lane]!.expired++;
  }

  /** Takes an open event for done; returns whether it was open. */
  skip(sequence: number): boolean {
    return skip(this.#ledger, sequence);
  }

  /**
   * A dead event is open again, with no attempts counted, behind the open ones of its key. Not while the lane has events
   * to read again, whose keys are not known, nor beyond `maxAhead` redriven ones. One beyond the position, to which a
   * `seek` has gone back, is as good as open: it comes when the lane is read on.
   */
  redrive(lane: number, sequence: number, key: string | undefined): Redriven {
    const { redriven, position } = this.#ledger.lanes[lane]!;
    if (sequence > position || this.isOpen(sequence)) return 'open';
    if (this.nextUnread(lane) > 0) return 'unread';
    if (redriven.length >= this.#endings.definition.maxAhead) return 'full';
    redrive(this.#ledger, lane, sequence, key);
    return 'redriven';
  }

  /** The log has refused the turn's batch: the events over this head, none of whose leases were told, never were. */
  undoAfter(head: number): void {
    undoAfter(this.#ledger, head);
  }

  // Storing and telling.

  /** Whether the lane's row has to be stored in this turn. */
  isDirty(lane: number): boolean {
    const { open, lanes } = this.#ledger;
    const { position, storedPosition } = lanes[lane]!;
    return open.dirty[lane] === 1 || position - storedPosition >= CONSUMER_PASSED_MAX;
  }

  /**
   * The lane's open events as bytes, valid until the next call. Times are relative to `now`. They go with the lane's
   * `rowPosition`, behind which they leave out those that nothing has become of.
   */
  store(lane: number, now: number): Uint8Array {
    return this.#ledger.lanes[lane]!.store(this.#writer, this.#ledger.leaseNext, now);
  }

  /** What `store` returned since the last input is committed. */
  committed(lane: number): void {
    this.#ledger.open.dirty[lane] = 0;
    const of = this.#ledger.lanes[lane]!;
    of.storedPosition = of.position;
  }

  /** Tells what was decided and committed. Returns false if there was no room for all of it. */
  tell(tellings: Tellings): boolean {
    return this.#telling.tell(tellings, this.#isPaused);
  }

  /** Open events behind a sequence, in the order of sequences. */
  list(after: number, limit: number): OpenSlot[] {
    return listOpen(this.#ledger, after, limit);
  }

  /** The keys of which events wait, by the sequences of the events that stand first, behind a sequence. */
  heldKeys(after: number, limit: number): HeldKeySlot[] {
    return listKeys(this.#ledger, after, limit);
  }
}
