/**
 * The last sequences of a shard's topics, in order. The shard tells them in the order of its topics, a page at a time;
 * here they are sorted. No more than `LATEST_TOPICS_HELD` are kept: for more topics the shard is asked again. Used by
 * whoever reads the newest event of each topic.
 */
import type { LastsPage, LastsRequest } from '../../link/calls.js';
import { LATEST_TOPICS_HELD } from '../../protocol/limits/endpoint.js';
import { type Asker, assertIsThere } from '../asker.js';

/** The part of a link that is used here. */
export interface LastsShard {
  call(name: 'lasts', request: () => LastsRequest): Promise<LastsPage>;
}

export interface LastsRange {
  readonly patterns: readonly string[];
  /** Only topics with their last event behind this sequence. */
  readonly after: number;
  /** Only topics with their last event up to this sequence. */
  readonly until: number;
  /** The greatest sequences first. */
  readonly reverse: boolean;
  readonly asker: Asker;
}

/** The first sequences of the range; `isAll`: there are no others. */
interface Lasts {
  readonly sequences: Float64Array;
  readonly isAll: boolean;
}

/** All sequences of the range in order, in parts. A topic that gets an event meanwhile may leave the range. */
export async function* lastSequences(
  shard: LastsShard,
  range: LastsRange,
  held = LATEST_TOPICS_HELD,
): AsyncGenerator<Float64Array> {
  let { after, until } = range;
  for (;;) {
    const { sequences, isAll } = await firstLasts(shard, { ...range, after, until }, held);
    if (sequences.length > 0) yield sequences;
    if (isAll) return;
    const last = sequences[sequences.length - 1]!;
    if (range.reverse) until = last - 1;
    else after = last;
  }
}

/** Goes once through the shard's topics. */
async function firstLasts(shard: LastsShard, range: LastsRange, held: number): Promise<Lasts> {
  const { patterns, reverse, asker } = range;
  const kept = new Smallest(held);
  let { after, until } = range;
  for (let topic: number | null = 0; topic !== null; ) {
    const request = { patterns, topic, after, until };
    const page: LastsPage = await asker.readInTurn(0, () => {
      assertIsThere(asker);
      return shard.call('lasts', () => request);
    });
    for (const sequence of page.sequences) kept.add(reverse ? -sequence : sequence);
    // Topics beyond what is kept do not have to be told.
    if (reverse) after = Math.max(after, -kept.bound - 1);
    else until = Math.min(until, kept.bound);
    topic = page.next;
  }
  const sequences = kept.sorted();
  return { sequences: reverse ? sequences.map((value) => -value) : sequences, isAll: kept.isAll };
}

/** The smallest of many numbers, in memory for twice as many as it keeps. */
class Smallest {
  readonly #keeps: number;
  #values = new Float64Array(1024);
  #count = 0;
  /** No greater number is wanted. */
  bound = Number.POSITIVE_INFINITY;
  /** No number was dropped. */
  isAll = true;

  constructor(keeps: number) {
    this.#keeps = keeps;
  }

  add(value: number): void {
    if (value > this.bound) return;
    if (this.#count === 2 * this.#keeps) this.#drop();
    if (this.#count === this.#values.length) {
      const values = new Float64Array(2 * this.#count);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#count++] = value;
  }

  sorted(): Float64Array {
    if (this.#count > this.#keeps) this.#drop();
    const sorted = this.#values.slice(0, this.#count).sort();
    // A topic that is named twice may be told twice.
    return sorted.filter((value, at) => value !== sorted[at - 1]);
  }

  #drop(): void {
    this.#values.subarray(0, this.#count).sort();
    this.#count = this.#keeps;
    this.bound = this.#values[this.#keeps - 1]!;
    this.isAll = false;
  }
}
