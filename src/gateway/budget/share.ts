import { Queue } from '../../collections/queue.js';

/**
 * A share of a bounded resource: bytes that are held, or queries that run. The gateway has the whole, each principal a
 * share of the whole, and each connection a share of its principal's.
 *
 * Work that finds no room waits for its turn. Turns go round: from principal to principal, and within a principal from
 * connection to connection, however much any of them asks for. A full share is passed over. While the whole is full,
 * only shares that hold less than an equal part of it have turns: so no principal can use up the resource for the
 * others, however many connections it has. One thread.
 */

/** A share that was full has room again once it holds no more than this of what it may. */
const ROOM_RATIO = 0.75;

interface Waiting {
  readonly amount: number;
  start(): void;
}

export class Share {
  readonly #parent: Share | undefined;
  readonly #root: Share;
  readonly #max: number;
  /** How much work may run at once in this share and its children. */
  readonly #turnsMax: number;
  #turns = 0;
  #held = 0;
  /** The part of it that work holds. */
  #heldByWork = 0;
  #isFull = false;
  #isDisposed = false;
  #children = 0;
  readonly #waiting = new Queue<Waiting>();
  /** The children in which work waits. */
  readonly #busy = new Set<Share>();
  /** The children of `#busy` that may have a turn, in the order of their turns. */
  readonly #ready = new Set<Share>();

  private constructor(parent: Share | undefined, max: number, turnsMax: number) {
    this.#parent = parent;
    this.#root = parent === undefined ? this : parent.#root;
    this.#max = max;
    this.#turnsMax = turnsMax;
    if (parent !== undefined) parent.#children++;
  }

  /** Makes the root: the whole resource. `turnsMax`: how much work may run at once. */
  static whole(max: number, turnsMax = Number.POSITIVE_INFINITY): Share {
    return new Share(undefined, max, turnsMax);
  }

  /** Makes a share of this one. */
  part(max: number, turnsMax = Number.POSITIVE_INFINITY): Share {
    return new Share(this, max, turnsMax);
  }

  get held(): number {
    return this.#held;
  }

  /** Whether this share, or one above it, is full or holds its equal part of a full parent. False for the root. */
  get isFull(): boolean {
    const parent = this.#parent;
    if (parent === undefined) return false;
    return this.#isFull || this.#isCrowdedOut || parent.isFull;
  }

  /** The number of works that wait for a turn in this share itself, not in its children. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Counts so much more (less, if negative) as held, even beyond the bound: it is held already. */
  hold(amount: number): void {
    if (!this.#isDisposed) this.#count(amount);
  }

  /** Runs the work in its turn, and holds `amount` until it has ended. */
  async run<T>(amount: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ amount, start });
      this.#update();
      this.#root.#pump();
    });
    try {
      return await work();
    } finally {
      this.#takeTurn(-1);
      this.#work(-amount);
      this.#root.#pump();
    }
  }

  /**
   * Gives back what this share holds, but for the work that runs, which counts until it ends. From then on `hold` counts
   * nothing. Work that waits still has its turn. Idempotent. A share is disposed of after its parts.
   */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (this.#parent !== undefined) this.#parent.#children--;
    this.#count(this.#heldByWork - this.#held);
  }

  get #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#busy.size > 0;
  }

  /** Whether the parent is full and this share holds an equal part of it or more. */
  get #isCrowdedOut(): boolean {
    const parent = this.#parent;
    if (parent === undefined || !parent.#isFull) return false;
    return this.#held >= parent.#max / parent.#children;
  }

  /** Counts what a work holds that begins (less, if negative: that has ended). */
  #work(amount: number): void {
    for (let share: Share | undefined = this; share !== undefined; share = share.#parent) {
      share.#heldByWork += amount;
    }
    this.#count(amount);
  }

  #count(amount: number): void {
    let hasChanged = false;
    for (let share: Share | undefined = this; share !== undefined; share = share.#parent) {
      if (share.#add(amount)) hasChanged = true;
    }
    if (hasChanged && amount < 0) this.#root.#pump();
  }

  /** Adds to what this share holds; true if that may change which work has the next turn. */
  #add(amount: number): boolean {
    this.#held += amount;
    const isFull = this.#isFull ? this.#held > this.#max * ROOM_RATIO : this.#held >= this.#max;
    const hasChanged = isFull !== this.#isFull;
    this.#isFull = isFull;
    if (hasChanged) for (const child of [...this.#busy]) child.#update();
    const parent = this.#parent;
    const isScarce = hasChanged || (parent === undefined ? false : parent.#isFull);
    if (isScarce) this.#update();
    return isScarce;
  }

  /** Enters this share into the parent's `#busy` and `#ready`, or removes it, and so on upwards. */
  #update(): void {
    const parent = this.#parent;
    if (parent === undefined) return;
    if (this.#hasWork) parent.#busy.add(this);
    else parent.#busy.delete(this);
    // A full root does not stop its shares: `#isCrowdedOut` says which of them may go on.
    const hasTurns = this.#waiting.length > 0 || this.#ready.size > 0;
    const hasPlace = !this.#isFull && !this.#isCrowdedOut && this.#turns < this.#turnsMax;
    if (hasTurns && hasPlace) parent.#ready.add(this);
    else parent.#ready.delete(this);
    parent.#update();
  }

  #takeTurn(turns: 1 | -1): void {
    for (let share: Share | undefined = this; share !== undefined; share = share.#parent) {
      share.#turns += turns;
    }
    this.#update();
  }

  #pump(): void {
    while (this.#turns < this.#turnsMax) {
      const share = this.#next();
      if (share === undefined) return;
      const waiting = share.#waiting.shift()!;
      share.#takeTurn(1);
      share.#work(waiting.amount);
      waiting.start();
    }
  }

  /** The share that has the next turn, searched from the root down. */
  #next(): Share | undefined {
    let share: Share = this;
    while (share.#waiting.length === 0) {
      const [first] = share.#ready;
      if (first === undefined) return undefined;
      // The share goes to the end of the line.
      share.#ready.delete(first);
      share.#ready.add(first);
      share = first;
    }
    return share;
  }
}
