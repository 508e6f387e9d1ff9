import type { OpenEvents } from './open-events.js';
import { SlotList } from './slot-list.js';

/**
 * When leases run out and waits end. Leases are given for the same time, so most run out in the order in which they
 * were added: those are a list, which costs no comparison. Whatever is due before the end of the list is in a binary
 * heap. Single-threaded; times are the caller's monotonic ms.
 */

const NOWHERE = -1;
const IN_LIST = -2;

export class Deadlines {
  readonly #open: OpenEvents;
  readonly #list: SlotList;
  readonly #heap: number[] = [];
  /** Where a slot is in the heap, or one of the two constants. */
  readonly #places: number[] = [];

  constructor(open: OpenEvents) {
    this.#open = open;
    this.#list = new SlotList(open.queue);
  }

  /** The time of the earliest; `Infinity` if there is none. */
  get next(): number {
    const slot = this.#earliest();
    return slot < 0 ? Number.POSITIVE_INFINITY : this.#open.due[slot]!;
  }

  /** A lease: leases mostly come in the order in which they run out. */
  addLease(slot: number, due: number): void {
    const { last } = this.#list;
    if (last >= 0 && this.#open.due[last]! > due) {
      this.addWait(slot, due);
      return;
    }
    this.#open.due[slot] = due;
    this.#places[slot] = IN_LIST;
    this.#list.append(slot);
  }

  addWait(slot: number, due: number): void {
    this.#open.due[slot] = due;
    this.#heap.push(slot);
    this.#rise(slot, this.#heap.length - 1);
  }

  /** Does nothing if the slot is not here. */
  remove(slot: number): void {
    const place = this.#places[slot] ?? NOWHERE;
    if (place === NOWHERE) return;
    this.#places[slot] = NOWHERE;
    if (place === IN_LIST) {
      this.#list.remove(slot);
      return;
    }
    const last = this.#heap.pop()!;
    if (last === slot) return;
    this.#rise(last, place);
    this.#sink(last, this.#places[last]!);
  }

  /** Takes out the earliest slot that is due, or returns -1. */
  takeDue(now: number): number {
    const slot = this.#earliest();
    if (slot < 0 || this.#open.due[slot]! > now) return -1;
    this.remove(slot);
    return slot;
  }

  clear(): void {
    this.#list.clear();
    this.#heap.length = 0;
    this.#places.length = 0;
  }

  #earliest(): number {
    const inList = this.#list.first;
    const inHeap = this.#heap[0] ?? -1;
    if (inList < 0 || inHeap < 0) return Math.max(inList, inHeap);
    return this.#open.due[inHeap]! <= this.#open.due[inList]! ? inHeap : inList;
  }

  #rise(slot: number, from: number): void {
    const { due } = this.#open;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#heap[above]!;
      if (due[other]! <= due[slot]!) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(slot, place);
  }

  #sink(slot: number, from: number): void {
    const { due } = this.#open;
    const { length } = this.#heap;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      const right = below + 1;
      if (right < length && due[this.#heap[right]!]! < due[this.#heap[below]!]!) below = right;
      const other = this.#heap[below]!;
      if (due[other]! >= due[slot]!) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }
}
