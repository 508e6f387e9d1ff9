/**
 * The ids that publishers supplied lately, and the sequence each was stored at. Bounded twice: by age, and by a
 * number of ids, beyond which the oldest is forgotten. Entries go in as rows are appended, so a repeat within
 * one batch is found too; a rolled-back batch takes its entries back.
 *
 * What is loaded at open reaches back a batch further than that, until the first commit: for who must judge the last
 * batch again.
 */
export class DedupeWindow {
  readonly windowMs: number;
  readonly idsMax: number;
  /** Slot of the newest entry of each id; a slot is the number of the entry, ever growing. */
  readonly #slots = new Map<string, number>();
  /** Rings of `#capacity` entries; they grow by doubling, to the limit and one open batch. */
  #ids: string[] = [];
  #sequences = new Float64Array(0);
  #recordedAt = new Float64Array(0);
  #capacity = 0;
  #oldest = 0;
  #next = 0;
  #committed = 0;
  /** Entries before this one were loaded beyond the number of ids that the window holds. */
  #firstHeld = 0;

  constructor(windowMs: number, idsMax: number) {
    this.windowMs = windowMs;
    this.idsMax = idsMax;
  }

  get size(): number {
    return this.#next - this.#oldest;
  }

  /** The sequence stored for the id, or 0. */
  find(id: string, now: number): number {
    const slot = this.#slots.get(id);
    if (slot === undefined || slot < this.#firstHeld) return 0;
    const at = slot % this.#capacity;
    return now - this.#recordedAt[at]! > this.windowMs ? 0 : this.#sequences[at]!;
  }

  /** As `find`, in all that was loaded, whatever its age. */
  findLoaded(id: string): number {
    const slot = this.#slots.get(id);
    return slot === undefined ? 0 : this.#sequences[slot % this.#capacity]!;
  }

  /** Keeps what was added since the window was made. */
  loaded(): void {
    this.#committed = this.#next;
    this.#firstHeld = Math.max(0, this.#next - this.idsMax);
  }

  add(id: string, sequence: number, recordedAt: number): void {
    if (this.idsMax === 0) return;
    if (this.size === this.#capacity) this.#grow();
    const at = this.#next % this.#capacity;
    this.#ids[at] = id;
    this.#sequences[at] = sequence;
    this.#recordedAt[at] = recordedAt;
    this.#slots.set(id, this.#next);
    this.#next++;
  }

  /** Keeps what the batch added, and only now forgets what has left the window. */
  commit(now: number): void {
    this.#committed = this.#next;
    while (this.size > this.idsMax) this.#forgetOldest();
    while (this.#oldest < this.#next) {
      if (now - this.#recordedAt[this.#oldest % this.#capacity]! <= this.windowMs) return;
      this.#forgetOldest();
    }
  }

  /**
   * Takes back what the open batch added. An older entry of the same id that the batch had replaced is not
   * restored: it had left the window, or the repeat would not have been stored.
   */
  rollback(): void {
    while (this.#next > this.#committed) {
      this.#next--;
      const id = this.#ids[this.#next % this.#capacity]!;
      if (this.#slots.get(id) === this.#next) this.#slots.delete(id);
    }
  }

  #forgetOldest(): void {
    const id = this.#ids[this.#oldest % this.#capacity]!;
    if (this.#slots.get(id) === this.#oldest) this.#slots.delete(id);
    this.#oldest++;
  }

  #grow(): void {
    const before = this.#capacity;
    const capacity = Math.max(64, before * 2);
    const ids = new Array<string>(capacity).fill('');
    const sequences = new Float64Array(capacity);
    const recordedAt = new Float64Array(capacity);
    for (let slot = this.#oldest; slot < this.#next; slot++) {
      ids[slot % capacity] = this.#ids[slot % before]!;
      sequences[slot % capacity] = this.#sequences[slot % before]!;
      recordedAt[slot % capacity] = this.#recordedAt[slot % before]!;
    }
    this.#ids = ids;
    this.#sequences = sequences;
    this.#recordedAt = recordedAt;
    this.#capacity = capacity;
  }
}
