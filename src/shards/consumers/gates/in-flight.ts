/**
 * How many events of one consumer all shards together may lease. Each shard has a word, which only its thread writes: it
 * adds what it wants to lease, then adds up all words, and takes back what is too much. So of two shards that want the
 * last place at once at least one sees the other, and the sum is never over the limit.
 *
 * A word falls only after the commit that ended the leases: wherever a thread dies, its word covers the leases that are
 * stored. Then it wakes the shards that wait.
 *
 * ```
 * word    bits 0 … 29: how many      bit 30: the shard waits for a place
 * ```
 */
import { GATE_RETRY_MS, GATE_WAIT_MS } from '../../../protocol/limits/consumers.js';

const WAITING = 1 << 30;
const COUNT = WAITING - 1;

export class InFlight {
  readonly #words: Int32Array;
  readonly #shard: number;
  /** What the shard's word says. */
  #reserved = 0;
  #isWaiting = false;
  #written: number;
  readonly #ring: (shard: number) => void;
  /** Another shard has places, or wants some. */
  #isShared = false;
  /** It leaves places to others until then. */
  #yieldsUntil = 0;

  /**
   * @param leased how many leases of before go on
   * @param ring tells another shard that there may be a place for it
   */
  constructor(words: Int32Array, shard: number, leased: number, ring: (shard: number) => void) {
    this.#words = words;
    this.#shard = shard;
    this.#ring = ring;
    this.#written = Atomics.load(words, shard);
    this.#reserved = leased;
    this.#write();
  }

  /** It wants more places than it has. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** When it has to look again for a place that another shard has, if it is not woken before; `Infinity`: never. */
  looksAt(now: number): number {
    if (!this.#isWaiting || !this.#isShared) return Number.POSITIVE_INFINITY;
    return this.#yieldsUntil > now ? this.#yieldsUntil : now + GATE_WAIT_MS;
  }

  /** How many more events may be leased, at most `wanted`, while `leased` are. They are reserved until `stored`. */
  room(wanted: number, leased: number, max: number, now: number): number {
    if (wanted <= 0) {
      this.#wait(false);
      return 0;
    }
    let room = this.#take(wanted, leased, max, now);
    if (room < wanted && !this.#isWaiting) {
      // Who has given up a place before could not see that this shard waits.
      this.#wait(true);
      room += this.#take(wanted - room, leased + room, max, now);
    }
    this.#wait(room < wanted);
    return room;
  }

  #take(wanted: number, leased: number, max: number, now: number): number {
    const { others, waiting, holding, poorest } = this.#look();
    this.#isShared = holding > 0;
    let most = wanted;
    if (waiting > 0) {
      // Its fair share is its own, and one place beyond it may be if those that wait have theirs.
      const share = Math.floor(max / (holding + 1));
      const isOver = this.#reserved > share;
      const isExtra = !isOver && poorest >= share;
      most = Math.min(wanted, (isExtra ? share + 1 : share) - leased);
      if (most <= 0 && isOver && leased < this.#reserved) {
        this.#yieldsUntil = now + 2 * GATE_RETRY_MS;
      }
    }
    const mayTake = most > 0 && now >= this.#yieldsUntil;
    return mayTake ? this.#reserve(most, leased, max, others) : 0;
  }

  /** What was decided until now is stored, and so many are leased. */
  stored(leased: number): void {
    if (leased === this.#reserved) return;
    this.#reserved = leased;
    this.#write();
  }

  /** The consumer is gone. */
  end(): void {
    this.#isWaiting = false;
    this.stored(0);
    this.#write();
  }

  /** Places that the word has and no lease needs come first; then more are reserved. */
  #reserve(most: number, leased: number, max: number, others: number): number {
    const spare = Math.max(0, Math.min(this.#reserved - leased, max - leased - others));
    if (spare >= most) return most;
    const before = this.#reserved;
    // Where nothing is free it writes nothing, as each fall of a word wakes those that wait.
    const free = Math.max(0, max - others - before);
    if (free === 0) return spare;
    this.#reserved = Math.max(before, Math.min(leased + most, before + free));
    this.#write();
    const { others: now } = this.#look();
    const over = Math.max(0, now + this.#reserved - max);
    if (over > 0) {
      this.#reserved = Math.max(before, this.#reserved - over);
      this.#write();
    }
    // The limit may be lower than when the places were reserved.
    return Math.max(0, Math.min(most, this.#reserved - leased, max - now - leased));
  }

  /** What other shards have; `poorest`: the least that one has which waits. */
  #look(): { others: number; waiting: number; holding: number; poorest: number } {
    let poorest = Number.POSITIVE_INFINITY;
    let others = 0;
    let waiting = 0;
    let holding = 0;
    for (let shard = 0; shard < this.#words.length; shard++) {
      if (shard === this.#shard) continue;
      const word = Atomics.load(this.#words, shard);
      others += word & COUNT;
      if ((word & WAITING) !== 0) {
        waiting++;
        poorest = Math.min(poorest, word & COUNT);
      }
      if (word !== 0) holding++;
    }
    return { others, waiting, holding, poorest };
  }

  #wait(isWaiting: boolean): void {
    if (isWaiting === this.#isWaiting) return;
    this.#isWaiting = isWaiting;
    this.#write();
  }

  /** Those that wait look again when it has fewer places, or waits for none any more. */
  #write(): void {
    const before = this.#written;
    const word = this.#reserved | (this.#isWaiting ? WAITING : 0);
    this.#written = word;
    Atomics.store(this.#words, this.#shard, word);
    const hasFewer = (word & COUNT) < (before & COUNT);
    if (!hasFewer && !(before >= WAITING && word < WAITING)) return;
    for (let shard = 0; shard < this.#words.length; shard++) {
      const waits = (Atomics.load(this.#words, shard) & WAITING) !== 0;
      if (shard !== this.#shard && waits) this.#ring(shard);
    }
  }
}
