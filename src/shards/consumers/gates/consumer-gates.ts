/** What a shard needs of the memory in which all shards agree on one consumer. Only the shard's loop touches this. */
import { countsOf } from '../../../link/consumer-gates.js';
import type { ConsumerEntry } from '../../../link/consumer-shapes.js';
import { InFlight } from './in-flight.js';
import type { KeyGates } from './key-gates.js';

/** The memory of a bus, and the shard's place in it. */
export interface SharedGates {
  readonly memory: SharedArrayBuffer;
  readonly shard: number;
  readonly keys: KeyGates;
}

export class ConsumerGates {
  readonly inFlight: InFlight;
  readonly #consumer: string;
  readonly #shared: SharedGates;
  /** Whether several shards may have events of one key. */
  #hasKeys = false;

  constructor(entry: ConsumerEntry, shared: SharedGates, leased: number) {
    this.#consumer = entry.id;
    this.#shared = shared;
    this.inFlight = new InFlight(countsOf(shared.memory, entry.gate), shared.shard, leased);
    this.change(entry);
  }

  /** A topic is in one shard only. */
  change({ definition: { order } }: ConsumerEntry): void {
    this.#hasKeys = order !== 'none' && order !== 'topic';
  }

  /** Takes the key for a lease; false: another shard has a member out with it. */
  take(key: string | undefined, now: number): boolean {
    return !this.#hasKeys || key === undefined || this.#shared.keys.take(this.#wordOf(key), now);
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
