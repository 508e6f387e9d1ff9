import { LOSSES_BEFORE_ALONE } from '../protocol/limits/consumers.js';
import {
  ALONE,
  BEGUN,
  DETACHED,
  ENDING,
  EXPIRED,
  KEY_TAKEN,
  LEASED,
  type OpenEvents,
  REDRIVEN,
  UNREAD,
} from './open-events.js';
import {
  OpenListReader,
  type OpenListWriter,
  STORED_ALONE,
  STORED_BEGUN,
  STORED_DETACHED,
  STORED_EXPIRED,
} from './open-list.js';
import { SlotList } from './slot-list.js';

/**
 * A lane: the events of one pattern of `priority`, or the rest. It has a position, the open events before it, and the
 * queues of those that are ready. Single-threaded.
 */
export class Lane {
  readonly index: number;
  /** Everything up to here is done, dead, or none of this lane's events, except what is open. */
  position = 0;
  storedPosition = 0;
  /** The position of the row that `store` has written: open events behind it are not in the row. */
  rowPosition = 0;
  acked = 0;
  /** What `acked` is once the list that `store` returned last is committed. */
  storedAcked = 0;
  redelivered = 0;
  lost = 0;
  /** Events whose time was over before they were done, since the machine began. */
  expired = 0;
  /** Both in the order of sequences. */
  readonly read: SlotList;
  readonly redriven: SlotList;
  readonly #open: OpenEvents;
  /** Ready, and never leased; leased before; lost in the death of a member, so that others must not suffer from them. */
  readonly #fresh: SlotList;
  readonly #again: SlotList;
  readonly #careful: SlotList;
  #isFreshNext = false;
  /** The sequences of the stored list that have to be read again, and how many of them were. */
  #unread: number[] = [];
  #unreadAt = 0;

  constructor(index: number, open: OpenEvents) {
    this.index = index;
    this.#open = open;
    this.read = new SlotList(open.order);
    this.redriven = new SlotList(open.order);
    this.#fresh = new SlotList(open.queue);
    this.#again = new SlotList(open.queue);
    this.#careful = new SlotList(open.queue);
  }

  get openCount(): number {
    return this.read.length + this.redriven.length;
  }

  get readyCount(): number {
    return this.#fresh.length + this.#again.length + this.#careful.length;
  }

  /** The last sequence before the first open event that is not redriven. */
  get floor(): number {
    const { first } = this.read;
    return first < 0 ? this.position : this.#open.sequence[first]! - 1;
  }

  /** The next careful one, or -1. */
  get careful(): number {
    return this.#careful.first;
  }

  /** The next of the others, or -1. New events and those that come again take turns, so neither keep the other out. */
  get next(): number {
    const { first: fresh } = this.#fresh;
    const { first: again } = this.#again;
    if (fresh < 0 || again < 0) return Math.max(fresh, again);
    return this.#isFreshNext ? fresh : again;
  }

  append(slot: number): void {
    this.read.append(slot);
  }

  appendRedriven(slot: number): void {
    const { sequence } = this.#open;
    let before = this.redriven.last;
    while (before >= 0 && sequence[before]! > sequence[slot]!) {
      before = this.redriven.before(before);
    }
    this.redriven.insertBehind(slot, before);
    this.#open.set(slot, REDRIVEN);
  }

  forget(slot: number): void {
    if (this.#open.has(slot, REDRIVEN)) this.redriven.remove(slot);
    else this.read.remove(slot);
  }

  enqueue(slot: number): void {
    this.#queueOf(slot).append(slot);
  }

  dequeue(slot: number): void {
    const queue = this.#queueOf(slot);
    queue.remove(slot);
    if (queue === this.#fresh) this.#isFreshNext = false;
    else if (queue === this.#again) this.#isFreshNext = true;
  }

  /** Empties the lane. */
  reset(position: number): void {
    for (const list of [this.read, this.redriven, this.#fresh, this.#again, this.#careful]) {
      list.clear();
    }
    this.position = position;
    this.#open.touched[this.index] = position;
    this.#unread = [];
    this.#unreadAt = 0;
  }

  /** The first sequence of the stored list that has to be read again, or 0. */
  nextUnread(): number {
    for (; this.#unreadAt < this.#unread.length; this.#unreadAt++) {
      const sequence = this.#unread[this.#unreadAt]!;
      const slot = this.#open.find(sequence);
      if (slot >= 0 && this.#open.has(slot, UNREAD)) return sequence;
    }
    if (this.#unread.length > 0) this.#unread = [];
    this.#unreadAt = 0;
    return 0;
  }

  /**
   * Leased events that were redriven come first, as they may be the first of their keys; then the others in their
   * order, and redriven ones behind them.
   */
  readAgain(): void {
    const { sequence } = this.#open;
    const leased: number[] = [];
    const behind: number[] = [];
    for (let slot = this.redriven.first; slot >= 0; slot = this.redriven.after(slot)) {
      (this.#open.state[slot] === LEASED ? leased : behind).push(sequence[slot]!);
    }
    const inOrder: number[] = [];
    for (let slot = this.read.first; slot >= 0; slot = this.read.after(slot)) {
      inOrder.push(sequence[slot]!);
    }
    this.#unread = [...leased, ...inOrder, ...behind];
    this.#unreadAt = 0;
  }

  /** Takes the events of a stored list, in the given state; `onEach` completes them. */
  load(
    bytes: Uint8Array,
    state: number,
    onEach: (slot: number, list: OpenListReader) => void,
  ): void {
    if (bytes.length === 0) return;
    const list = new OpenListReader(bytes);
    while (list.next()) {
      const slot = this.#open.take(this.index, list.sequence, state);
      if (list.isRedriven) this.appendRedriven(slot);
      else this.append(slot);
      this.#open.attempts[slot] = list.attempts;
      this.#open.losses[slot] = list.losses;
      onEach(slot, list);
    }
  }

  store(writer: OpenListWriter, leaseNext: number, now: number): Uint8Array {
    const endingRedriven = this.#ending(this.redriven);
    this.storedAcked = this.acked + endingRedriven + this.#ending(this.read);
    writer.begin(this.redriven.length - endingRedriven);
    this.#write(this.redriven, writer, leaseNext, now);
    writer.beginPart();
    const untouched = this.#write(this.read, writer, leaseNext, now);
    this.rowPosition = untouched < 0 ? this.position : this.#open.sequence[untouched]! - 1;
    return writer.end();
  }

  /** How many events of a list the open batch acknowledges. */
  #ending(list: SlotList): number {
    let ending = 0;
    for (let slot = list.first; slot >= 0; slot = list.after(slot)) {
      if (this.#open.isUntouched(slot)) break;
      if (this.#open.has(slot, ENDING)) ending++;
    }
    return ending;
  }

  /** Returns the first event that it leaves out, as nothing has become of it and those behind it, or -1. */
  #write(list: SlotList, writer: OpenListWriter, leaseNext: number, now: number): number {
    const touched = this.#open.touched[this.index]!;
    const { sequence, state, flags, attempts, losses, lease, due } = this.#open;
    for (let slot = list.first; slot >= 0; slot = list.after(slot)) {
      if ((flags[slot]! & ENDING) !== 0) continue;
      const at = sequence[slot]!;
      if (at > touched) return slot;
      const isWaiting = (flags[slot]! & KEY_TAKEN) === 0;
      const dueInMs = isWaiting ? Math.max(0, Math.ceil(due[slot]! - now)) : 0;
      if (state[slot] === LEASED) {
        const stored = storedFlags(flags[slot]!);
        const behind = leaseNext - lease[slot]!;
        writer.addLeased(at, attempts[slot]!, losses[slot]!, behind, stored, dueInMs);
      } else if (attempts[slot] === 0 && losses[slot] === 0 && dueInMs === 0) {
        writer.addNeverLeased(at);
      } else writer.addLeasedBefore(at, attempts[slot]!, losses[slot]!, dueInMs);
    }
    return -1;
  }

  /** By what stays the same while a slot is ready, so that it is found in its queue again. */
  #queueOf(slot: number): SlotList {
    if (this.#open.losses[slot]! > 0) return this.#careful;
    return this.#open.attempts[slot] === 0 && this.#open.lease[slot] === 0
      ? this.#fresh
      : this.#again;
  }
}

/** Whether an event has to go out alone. */
export function isAlone(open: OpenEvents, slot: number): boolean {
  return open.losses[slot]! >= LOSSES_BEFORE_ALONE;
}

function storedFlags(flags: number): number {
  return (
    ((flags & BEGUN) === 0 ? 0 : STORED_BEGUN) |
    ((flags & ALONE) === 0 ? 0 : STORED_ALONE) |
    ((flags & DETACHED) === 0 ? 0 : STORED_DETACHED) |
    ((flags & EXPIRED) === 0 ? 0 : STORED_EXPIRED)
  );
}
