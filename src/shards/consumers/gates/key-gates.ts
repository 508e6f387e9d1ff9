/**
 * The keys of which a shard has events out, as far as other shards may have such keys too. A key's word names the shard
 * that has a member out with it, and the shards that wait for it. A shard that frees a word hands it to the next one
 * that waits, so a shard with many events of a key does not keep it from others.
 *
 * A word is taken before the commit of the lease, and freed after the commit of its end: wherever a thread dies, its word
 * still stands while the lease is stored. Its successor frees the words that none of its leases has.
 * Only the shard's loop touches this; the words are shared.
 */
import { crc32 } from 'node:zlib';
import {
  KEY_HOLDER as HOLDER,
  KEY_WAITING_SHIFT as WAITING_SHIFT,
} from '../../../link/consumer-gates.js';
import { GATE_RETRY_MS, GATE_WAIT_MS } from '../../../protocol/limits/consumers.js';
import { SHARDS_MAX } from '../../../protocol/limits/shards.js';

/** A word that was waited for, and is not any more, is given up after this time, and one that was handed after this. */
const FORGET_MS = 4 * GATE_WAIT_MS;
const FORGET_HANDED_MS = 4 * GATE_RETRY_MS;

export class KeyGates {
  readonly #words: Int32Array;
  readonly #shard: number;
  readonly #mine: number;
  readonly #waiting: number;
  /** How many leases have each word that the shard has. */
  readonly #held = new Map<number, number>();
  /** Words that no lease has any more, once that is stored. */
  readonly #freed = new Set<number>();
  /** When each word that the shard waits for is given up, monotonic ms. */
  readonly #wanted = new Map<number, number>();
  readonly #ring: (shard: number) => void;
  /** While it is not over, a word may be that of a lease of before, whose key is not known: none is given up. */
  #before: 'unknown' | 'known' | 'over' = 'unknown';

  /** @param ring tells another shard that it was handed a word */
  constructor(words: Int32Array, shard: number, ring: (shard: number) => void) {
    this.#words = words;
    this.#ring = ring;
    this.#shard = shard;
    this.#mine = shard + 1;
    this.#waiting = 1 << (WAITING_SHIFT + shard);
    // A dead thread of this shard waits no more.
    for (let word = 0; word < words.length; word++) {
      if ((words[word]! & this.#waiting) !== 0) Atomics.and(words, word, ~this.#waiting);
    }
  }

  /** The word of a consumer's key. */
  wordOf(consumer: string, key: string): number {
    return crc32(key, crc32(consumer)) % this.#words.length;
  }

  /** When `forget` has something to do; `Infinity`: never. */
  get nextDue(): number {
    if (this.#wanted.size === 0) return Number.POSITIVE_INFINITY;
    return Math.min(...this.#wanted.values());
  }

  /** Takes a word for a lease; false: not now, another shard has it or comes first. */
  take(word: number, now: number): boolean {
    for (;;) {
      const value = Atomics.load(this.#words, word);
      const holder = value & HOLDER;
      const others = value & ~HOLDER & ~this.#waiting;
      const isInUse = this.#held.has(word) || this.#freed.has(word);
      const isFree = holder === 0 || (holder === this.#mine && !(isInUse && others !== 0));
      const next = isFree ? others | this.#mine : value | this.#waiting;
      if (Atomics.compareExchange(this.#words, word, value, next) !== value) continue;
      if (isFree) this.#hold(word);
      else this.#wanted.set(word, now + FORGET_MS);
      return isFree;
    }
  }

  /** The words that this shard has waited for and was handed. */
  handed(now: number): number[] {
    const handed: number[] = [];
    for (const [word, until] of this.#wanted) {
      if (!this.#isMine(word)) continue;
      handed.push(word);
      this.#wanted.set(word, Math.min(until, now + FORGET_HANDED_MS));
    }
    return handed;
  }

  #isMine(word: number): boolean {
    return (Atomics.load(this.#words, word) & HOLDER) === this.#mine;
  }

  /** A lease of before this thread has the word. */
  keep(word: number): void {
    this.#hold(word);
    const value = Atomics.load(this.#words, word);
    // Where another shard has it, as may be after the end of a process, both go on.
    if ((value & HOLDER) === 0) {
      Atomics.compareExchange(this.#words, word, value, value | this.#mine);
    }
  }

  /** A lease has ended. */
  free(word: number): void {
    const left = (this.#held.get(word) ?? 1) - 1;
    if (left > 0) this.#held.set(word, left);
    else {
      this.#held.delete(word);
      this.#freed.add(word);
    }
  }

  /** All leases of before have ended, or their keys are known. Takes effect when that is stored. */
  restored(): void {
    if (this.#before === 'unknown') this.#before = 'known';
  }

  /** What was decided until now is stored: gives up the words that are free. */
  stored(): void {
    if (this.#before === 'unknown') return;
    for (const word of this.#freed) if (!this.#held.has(word)) this.#release(word);
    this.#freed.clear();
    if (this.#before === 'known') this.#releaseOthers();
    this.#before = 'over';
  }

  /** Gives up the words that were waited for and are not wanted any more. */
  forget(now: number): void {
    for (const [word, until] of this.#wanted) {
      if (now < until) continue;
      this.#wanted.delete(word);
      Atomics.and(this.#words, word, ~this.#waiting);
      const isInUse = this.#held.has(word) || this.#freed.has(word);
      if (this.#before === 'over' && !isInUse) this.#release(word);
    }
  }

  /** The words of the dead thread that no lease has. */
  #releaseOthers(): void {
    for (let word = 0; word < this.#words.length; word++) {
      if (this.#isMine(word) && !this.#held.has(word)) this.#release(word);
    }
  }

  #hold(word: number): void {
    this.#held.set(word, (this.#held.get(word) ?? 0) + 1);
    this.#freed.delete(word);
    this.#wanted.delete(word);
  }

  /** Hands the word to the next shard that waits for it, if it is this shard's. */
  #release(word: number): void {
    for (;;) {
      const value = Atomics.load(this.#words, word);
      if ((value & HOLDER) !== this.#mine) return;
      const next = this.#nextOf(value);
      const handed = (value & ~HOLDER) | next;
      if (Atomics.compareExchange(this.#words, word, value, handed) !== value) continue;
      if (next > 0) this.#ring(next - 1);
      return;
    }
  }

  /** The holder field for the next shard that waits, or 0. */
  #nextOf(value: number): number {
    for (let step = 1; step < SHARDS_MAX; step++) {
      const shard = (this.#shard + step) % SHARDS_MAX;
      if ((value & (1 << (WAITING_SHIFT + shard))) !== 0) return shard + 1;
    }
    return 0;
  }
}
