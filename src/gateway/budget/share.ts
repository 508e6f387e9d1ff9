import { Queue } from '../../collections/queue.js';

/**
 * A share of something that there is only so much of, bytes that are held or queries that run: the gateway has all of it,
 * each principal a share of that, and each of its connections a share of the principal's.
 *
 * Whoever wants more than there is waits, and those who wait have their turns fairly: principals one after the other, and
 * within a principal its connections one after the other, however much any of them asks for. A share that is full is
 * passed over. Where the whole is full, those go on that hold less than an equal part of it: nobody can use up what the
 * others need, however many shares they have. One thread.
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
  /** Turns that are taken at once, of all shares together; of the root. */
  readonly #turnsMax: number;
  #turns = 0;
  #held = 0;
  #isFull = false;
  #isDisposed = false;
  #children = 0;
  readonly #waiting = new Queue<Waiting>();
  /** Those below that somebody waits in, and of these the ones that have room; the next one first. */
  readonly #busy = new Set<Share>();
  readonly #ready = new Set<Share>();

  private constructor(parent: Share | undefined, max: number, turnsMax: number) {
    this.#parent = parent;
    this.#root = parent === undefined ? this : parent.#root;
    this.#max = max;
    this.#turnsMax = turnsMax;
    if (parent !== undefined) parent.#children++;
  }

  /** The whole of it. */
  static whole(max: number, turnsMax = Number.POSITIVE_INFINITY): Share {
    return new Share(undefined, max, turnsMax);
  }

  /** A share of this one. */
  part(max: number): Share {
    return new Share(this, max, 0);
  }

  get held(): number {
    return this.#held;
  }

  /** Whether nobody may have a turn here: this share, or one that it is of, holds all that it may. */
  get isFull(): boolean {
    const parent = this.#parent;
    if (parent === undefined) return false;
    return this.#isFull || this.#isCrowdedOut || parent.isFull;
  }

  /** How many wait for a turn in this share, without those below. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes more (or less, if negative), whether there is room or not: what is there already must be counted. */
  hold(amount: number): void {
    if (this.#isDisposed) return;
    let hasChanged = false;
    for (let share: Share | undefined = this; share !== undefined; share = share.#parent) {
      if (share.#add(amount)) hasChanged = true;
    }
    if (hasChanged && amount < 0) this.#root.#pump();
  }

  /** Does the work when it is its turn, and holds so much until it is done. */
  async run<T>(amount: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ amount, start });
      this.#update();
      this.#root.#pump();
    });
    try {
      return await work();
    } finally {
      this.#root.#turns--;
      this.hold(-amount);
      this.#root.#pump();
    }
  }

  /** It is over: what it holds is given back, and nothing is counted any more. Those who wait in it still have their turns. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.hold(-this.#held);
    this.#isDisposed = true;
    if (this.#parent !== undefined) this.#parent.#children--;
  }

  get #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#busy.size > 0;
  }

  /** The whole is used up, and this is one of those that use more than an equal part. */
  get #isCrowdedOut(): boolean {
    const parent = this.#parent;
    if (parent === undefined || !parent.#isFull) return false;
    return this.#held >= parent.#max / parent.#children;
  }

  /** True if somebody who waits may have a turn now, or none any more. */
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

  /** Says above whether anything can be done here. */
  #update(): void {
    const parent = this.#parent;
    if (parent === undefined) return;
    if (this.#hasWork) parent.#busy.add(this);
    else parent.#busy.delete(this);
    // Where all of it is used up, `#isCrowdedOut` says who may go on.
    const hasTurns = this.#waiting.length > 0 || this.#ready.size > 0;
    if (hasTurns && !this.#isFull && !this.#isCrowdedOut) parent.#ready.add(this);
    else parent.#ready.delete(this);
    parent.#update();
  }

  #pump(): void {
    while (this.#turns < this.#turnsMax) {
      const share = this.#next();
      if (share === undefined) return;
      const waiting = share.#waiting.shift()!;
      share.#update();
      this.#turns++;
      share.hold(waiting.amount);
      waiting.start();
    }
  }

  /** Whose turn it is, from the root down. */
  #next(): Share | undefined {
    let share: Share = this;
    while (share.#waiting.length === 0) {
      const [first] = share.#ready;
      if (first === undefined) return undefined;
      // It is the last one after this.
      share.#ready.delete(first);
      share.#ready.add(first);
      share = first;
    }
    return share;
  }
}
