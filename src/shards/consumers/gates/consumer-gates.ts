/** What a shard needs of the memory in which all shards agree on one consumer. Only the shard's loop touches this. */
import { countsOf } from '../../../link/consumer-gates.js';
import type { ConsumerEntry } from '../../../link/consumer-shapes.js';
import type { GateBell } from './gate-bell.js';
import { InFlight } from './in-flight.js';
import type { KeyGates } from './key-gates.js';

/** The memory of a bus, and the shard's place in it. */
export interface SharedGates {
  readonly memory: SharedArrayBuffer;
  readonly shard: number;
  readonly keys: KeyGates;
  readonly bell: GateBell;
}

export class ConsumerGates {
  readonly inFlight: InFlight;
  readonly #consumer: string;
  readonly #shared: SharedGates;
  /** Whether several shards may have events of one key. */
  #hasKeys = false;
  /** By the word of its key, the events that wait for a key that another shard has. */
  readonly #aside = new Map<number, Set<number>>();

  constructor(entry: ConsumerEntry, shared: SharedGates, leased: number) {
    this.#consumer = entry.id;
    this.#shared = shared;
    this.inFlight = new InFlight(
      countsOf(shared.memory, entry.gate),
      shared.shard,
      leased,
      shared.bell.ring,
    );
    this.change(entry);
  }

  /** A topic is in one shard only. */
  change({ definition: { order } }: ConsumerEntry): void {
    this.#hasKeys = order !== 'none' && order !== 'topic';
  }

  /** Takes the key of an event for a lease; false: another shard has a member out with it. */
  take(key: string | undefined, sequence: number, now: number): boolean {
    if (!this.#hasKeys || key === undefined) return true;
    const word = this.#wordOf(key);
    const aside = this.#aside.get(word);
    if (this.#shared.keys.take(word, now)) {
      if (aside?.delete(sequence) && aside.size === 0) this.#aside.delete(word);
      return true;
    }
    if (aside === undefined) this.#aside.set(word, new Set([sequence]));
    else aside.add(sequence);
    return false;
  }

  /** The events that have waited for a word which this shard was handed. */
  handed(word: number): Iterable<number> {
    const aside = this.#aside.get(word) ?? [];
    this.#aside.delete(word);
    return aside;
  }

  keep(key: string): void {
    if (this.#hasKeys) this.#shared.keys.keep(this.#wordOf(key));
  }

  free(key: string): void {
    if (this.#hasKeys) this.#shared.keys.free(this.#wordOf(key));
  }

  #wordOf(key: string): number {
    return this.#shared.keys.wordOf(this.#consumer, key);
  }
}
