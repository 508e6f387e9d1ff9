import { grown, Links } from './slot-list.js';

/**
 * The open events of one consumer in one shard, as slots of typed arrays. A slot is a small number that is given to one
 * open event at a time. The parts of the machine (`lane.ts`, `members.ts`, `deadlines.ts`, `key-chains.ts`) link slots
 * to lists of their own. Single-threaded, no I/O.
 */

/** The states of a slot; `docs/ARCHITECTURE.md` draws how one leads to another. */
export const FREE = 0;
/** Open, as the stored list says, and not read again yet: its key is not known. */
export const LISTED = 1;
/** An earlier event of its key is open. */
export const HELD = 2;
export const READY = 3;
export const LEASED = 4;
/** For its time, after an attempt that failed. */
export const WAITING = 5;
const STATES = 6;

/** The member may have begun the leased event: its attempt is counted. */
export const BEGUN = 1;
/** Leased alone: its member has nothing else in hand. */
export const ALONE = 2;
/** Leased to a caller that may outlive its connection and this process. */
export const DETACHED = 4;
/** The lease was told to its member. */
export const TOLD = 8;
/** The event was removed from the log while it is leased. */
export const GONE = 16;
/** Its key is not known yet. */
export const UNREAD = 32;
/** Leased before this thread began, and no endpoint has claimed the lease yet. */
export const UNCLAIMED = 64;
/** It was dead, and is open once more. */
export const REDRIVEN = 128;
/** It waits because another shard has a member out with its key. */
export const KEY_TAKEN = 256;
/** It is leased, and its key is out in this shard. */
export const KEY_OUT = 512;
/** It is acknowledged by the open batch, and leased again if the batch is refused. */
export const ENDING = 1024;

/** Its time was over while it is leased. */
export const EXPIRED = 2048;

/** One for each pattern of `priority`, and one for the rest. */
export const LANES_MAX = 9;
const CAPACITY_MIN = 64;

export class OpenEvents {
  sequence = new Float64Array(CAPACITY_MIN);
  state = new Uint8Array(CAPACITY_MIN);
  flags = new Uint16Array(CAPACITY_MIN);
  lane = new Uint8Array(CAPACITY_MIN);
  attempts = new Uint16Array(CAPACITY_MIN);
  losses = new Uint8Array(CAPACITY_MIN);
  /** The number of its lease, or of its last one; 0: never leased, as far as this thread knows. */
  lease = new Float64Array(CAPACITY_MIN);
  /** When the lease runs out or the wait ends, monotonic ms; 0: nothing is due. */
  due = new Float64Array(CAPACITY_MIN);
  /** When its member died last, monotonic ms. */
  lostAt = new Float64Array(CAPACITY_MIN);

  /** Links of a lane's order of sequences, of a queue or the leases, of a member's hand, and of a key's chain. */
  readonly order = new Links();
  readonly queue = new Links();
  readonly hand = new Links();
  readonly chain = new Links();

  /** How many slots are in each state. */
  readonly counts = new Int32Array(STATES);
  /** Lanes whose row has to be stored anew. */
  readonly dirty = new Uint8Array(LANES_MAX);
  /**
   * By lane: what is open behind this sequence is as it was read, and nothing there was leased, done or lost. It is not
   * stored, and is read again after a restart.
   */
  readonly touched = new Float64Array(LANES_MAX);

  readonly #slots = new Map<number, number>();
  #free = new Int32Array(CAPACITY_MIN);
  #freeCount = 0;
  #used = 0;

  /** How many events are open. */
  get size(): number {
    return this.#slots.size;
  }

  /** The slot of an open event, or -1. */
  find(sequence: number): number {
    return this.#slots.get(sequence) ?? -1;
  }

  /** A slot for an event that is not open yet, in the given state. */
  take(lane: number, sequence: number, state: number): number {
    const slot = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#unused();
    this.#slots.set(sequence, slot);
    this.sequence[slot] = sequence;
    this.lane[slot] = lane;
    this.state[slot] = state;
    this.counts[state]!++;
    this.flags[slot] = 0;
    this.attempts[slot] = 0;
    this.losses[slot] = 0;
    this.lease[slot] = 0;
    this.due[slot] = 0;
    this.lostAt[slot] = Number.NEGATIVE_INFINITY;
    return slot;
  }

  /** The slot has to be in no list any more. */
  release(slot: number): void {
    this.moveTo(slot, FREE);
    this.counts[FREE] = 0;
    this.#slots.delete(this.sequence[slot]!);
    this.#free[this.#freeCount++] = slot;
  }

  moveTo(slot: number, state: number): void {
    this.counts[this.state[slot]!]!--;
    this.state[slot] = state;
    this.counts[state]!++;
    const isAsRead = state === READY || state === HELD || state === LISTED;
    if (!isAsRead || !this.isUntouched(slot)) this.touch(this.lane[slot]!, this.sequence[slot]!);
  }

  /** Whether the event is as it was read, like all those behind it. */
  isUntouched(slot: number): boolean {
    return this.sequence[slot]! > this.touched[this.lane[slot]!]!;
  }

  /** The lane's row has to tell of what was up to here. */
  touch(lane: number, through: number): void {
    if (through > this.touched[lane]!) this.touched[lane] = through;
    this.dirty[lane] = 1;
  }

  /** Between states that are stored alike. */
  moveQuietly(slot: number, state: number): void {
    this.counts[this.state[slot]!]!--;
    this.state[slot] = state;
    this.counts[state]!++;
  }

  has(slot: number, flag: number): boolean {
    return (this.flags[slot]! & flag) !== 0;
  }

  set(slot: number, flag: number): void {
    this.flags[slot]! |= flag;
  }

  unset(slot: number, flag: number): void {
    this.flags[slot]! &= ~flag;
  }

  #unused(): number {
    if (this.#used === this.state.length) this.#grow(2 * this.#used);
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.sequence = grown(this.sequence, capacity);
    this.state = grown(this.state, capacity);
    this.flags = grown(this.flags, capacity);
    this.lane = grown(this.lane, capacity);
    this.attempts = grown(this.attempts, capacity);
    this.losses = grown(this.losses, capacity);
    this.lease = grown(this.lease, capacity);
    this.due = grown(this.due, capacity);
    this.lostAt = grown(this.lostAt, capacity);
    this.#free = grown(this.#free, capacity);
    for (const links of [this.order, this.queue, this.hand, this.chain]) links.grow(capacity);
  }
}
