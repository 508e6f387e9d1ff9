/**
 * Wakes the shards that wait for what another one has given up, a place of `maxInFlight` or a key. A word for each shard
 * counts how often it was woken, so a wake-up that comes before it parks is not lost. Only the shard's loop touches this;
 * the words are shared.
 */
export class GateBell {
  readonly #words: Int32Array;
  readonly #shard: number;
  readonly #wake: (shard: number) => void;
  #heard: number;

  /** @param wake wakes the thread of a shard, if it is parked */
  constructor(words: Int32Array, shard: number, wake: (shard: number) => void) {
    this.#words = words;
    this.#shard = shard;
    this.#wake = wake;
    this.#heard = Atomics.load(words, shard);
  }

  readonly ring = (shard: number): void => {
    Atomics.add(this.#words, shard, 1);
    this.#wake(shard);
  };

  /** Another shard has rung since `hear`. */
  get hasRung(): boolean {
    return Atomics.load(this.#words, this.#shard) !== this.#heard;
  }

  /** Whether another shard has rung; to be called before the shard looks at what it waits for. */
  hear(): boolean {
    const { hasRung } = this;
    this.#heard = Atomics.load(this.#words, this.#shard);
    return hasRung;
  }
}
