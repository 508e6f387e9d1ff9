/**
 * The events that one member has in hand: those that wait, in the order of their leases, and those that have begun. At
 * most `concurrency` have begun; an event that goes out alone begins while no other lease is in hand. Pure.
 */
import { Queue } from '../../collections/queue.js';

/** An event in hand. */
export interface Held {
  readonly deadline: number;
  readonly isAlone: boolean;
  readonly isLost: boolean;
  state: 'waiting' | 'begun' | 'over';
}

export class Hand<H extends Held> {
  #concurrency: number;
  /** Also holds events that do not wait any more, until they come to its front. */
  readonly #queue = new Queue<H>();
  #waiting = 0;
  readonly #begun = new Set<H>();
  #alone: H | undefined;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** At most so many begin from now on. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
  }

  /** How many events wait. */
  get waiting(): number {
    return this.#waiting;
  }

  get begun(): number {
    return this.#begun.size;
  }

  get isEmpty(): boolean {
    return this.#waiting === 0 && this.#begun.size === 0;
  }

  /** True if nothing waits, and handlers are at work on lost leases at the most. */
  get isMoot(): boolean {
    return this.#waiting === 0 && [...this.#begun].every(({ isLost }) => isLost);
  }

  /** True while it holds an event that goes out alone, so that it may get no other. */
  get isAlone(): boolean {
    return this.#alone !== undefined;
  }

  /** All events, the waiting ones last and in their order. */
  all(): H[] {
    return [...this.#begun, ...this.#waitingOnes()];
  }

  /** Those that have begun. */
  atWork(): ReadonlySet<H> {
    return this.#begun;
  }

  /** The waiting events but for the first `kept` ones, the latest lease first: in that order they are to be given back. */
  latest(kept = 0): H[] {
    return this.#waitingOnes().slice(kept).reverse();
  }

  add(held: H): void {
    this.#queue.push(held);
    this.#waiting++;
    if (held.isAlone) this.#alone = held;
  }

  /** The event that may begin now. */
  next(): H | undefined {
    if (this.#waiting === 0 || this.#begun.size >= this.#concurrency) return undefined;
    let first = this.#queue.peek()!;
    while (first.state !== 'waiting') {
      this.#queue.shift();
      first = this.#queue.peek()!;
    }
    if (this.#alone === undefined || this.#begun.size === 0) return first;
    // Handlers whose leases are lost run on, but a death would cost their events nothing.
    for (const { isLost } of this.#begun) if (!isLost) return undefined;
    return first;
  }

  /** Begins what `next` returned. */
  begin(held: H): void {
    this.#queue.shift();
    this.#waiting--;
    held.state = 'begun';
    this.#begun.add(held);
  }

  /** Takes an event out. */
  remove(held: H): void {
    if (held.state === 'begun') this.#begun.delete(held);
    else if (held.state === 'waiting' && --this.#waiting === 0) this.#queue.clear();
    held.state = 'over';
    if (held === this.#alone) this.#alone = undefined;
  }

  find(isIt: (held: H) => boolean): H | undefined {
    for (const held of this.#begun) if (isIt(held)) return held;
    for (const held of this.#queue) if (held.state === 'waiting' && isIt(held)) return held;
    return undefined;
  }

  #waitingOnes(): H[] {
    return [...this.#queue].filter(({ state }) => state === 'waiting');
  }
}
