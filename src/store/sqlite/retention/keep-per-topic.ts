import type { BusError } from '../../../protocol/errors.js';
import type { ArchiveGate } from '../../pruning.js';
import { storeError } from '../driver/store-errors.js';
import { beginningOf } from '../index/crowded-topics.js';
import type { TopicEntry } from '../index/topic-entry.js';
import { TopicHeap } from '../index/topic-heap.js';
import { blockOf } from '../tables/tables.js';
import type { OldestEvents, Sought } from './oldest-events.js';
import type { DoomedRow, Removal } from './removal.js';
import type { RowLook } from './row-look.js';
import type { StepPace } from './step-pace.js';

/** Blocks that one step removes events from, at most: each has a map of its pruned sequences. */
const BLOCKS_PER_STEP = 64;
/** Held topics that one step takes back, at most. */
const TAKEN_BACK_PER_STEP = 4096;

/** The parts of the log that it works with; rules share them. */
export interface KeeperParts {
  readonly file: string;
  readonly oldest: OldestEvents;
  readonly look: RowLook;
  readonly removal: Removal;
  readonly pace: StepPace;
}

/** Which events may go now. */
export interface Freedom {
  /** The last committed sequence. */
  readonly head: number;
  /** Nothing goes from this sequence on: consumers need it. */
  readonly kept: number;
  readonly gate: ArchiveGate | undefined;
}

/**
 * One rule with `keepPerTopic`: of each of its topics it removes the oldest events beyond that number, in bounded steps.
 * It looks at the topics that have too many, and at no others, from the one on whose events begin first. A topic whose
 * oldest event may not go yet, because a consumer needs it or the archive lacks it, is held back alone. So is a topic with
 * a damaged row: what lies behind the row stays.
 */
export class KeepPerTopic {
  readonly #parts: KeeperParts;
  readonly #keep: number;
  readonly #crowded: TopicHeap;
  /** A topic may become empty, and be forgotten, while the event for which it waits expires. */
  readonly #held: TopicHeap;
  /** The topics that the step works on: they have no event before the sequence. */
  readonly #taken = new Map<TopicEntry, number>();
  /** The same of some of them, once the step's rows are removed. */
  readonly #afterwards = new Map<TopicEntry, number>();
  /** The last event for which a held topic waits for the archive. */
  #wanted = 0;
  #damage: BusError | undefined;
  /** A removal has come to damage: so many topics are taken one by one, so that those alone stay that meet it. */
  #singly = 0;

  /** `crowded`: the topics that have more than `keep` events; those that wait are taken out. */
  constructor(parts: KeeperParts, keep: number, crowded: TopicHeap) {
    this.#parts = parts;
    this.#keep = keep;
    this.#crowded = crowded;
    this.#held = new TopicHeap(({ events }) => events <= keep);
  }

  /** The first damage that has held a topic back, if any. */
  get damage(): BusError | undefined {
    return this.#damage;
  }

  /** Does one step, in a transaction of its own; true if there is more to do. */
  step(free: Freedom): boolean {
    const { pace } = this.#parts;
    this.#takeBack(free);
    pace.begin();
    if (this.#crowded.size > 0) pace.time(() => this.#remove(free));
    const { gate } = free;
    if (gate !== undefined && this.#wanted > gate.through) gate.want(this.#wanted);
    return this.#crowded.size > 0;
  }

  #remove(free: Freedom): void {
    try {
      const rows = this.#rowsOf(this.#seek(free.head), free);
      rows.sort((a, b) => a.sequence - b.sequence);
      this.#parts.removal.remove(rows, { head: free.head, isLoss: false });
      this.#singly = Math.max(0, this.#singly - 1);
    } catch (error) {
      this.#afterwards.clear();
      this.#meetDamage(this.#damageOf(error));
    } finally {
      this.#putBack();
    }
  }

  /** The removal has changed nothing. A single topic is held back, several are tried one by one. */
  #meetDamage(damage: BusError): void {
    const [first, second] = this.#taken.keys();
    if (first === undefined) throw damage;
    if (second !== undefined) this.#singly = this.#taken.size;
    else {
      this.#holdBack(first, damage);
      // Where the removal would have left it small, its undoing has made it crowded anew.
      this.#crowded.delete(first);
    }
  }

  /** Puts back the topics that the step has taken, but for those that it has held or that have not too many any more. */
  #putBack(): void {
    for (const [entry, before] of this.#taken) {
      const from = this.#afterwards.get(entry) ?? before;
      if (entry.events > this.#keep) this.#crowded.add(entry, Math.max(from, beginningOf(entry)));
    }
    this.#taken.clear();
    this.#afterwards.clear();
  }

  /** Takes back topics whose oldest events may go now. */
  #takeBack({ kept, gate }: Freedom): void {
    const through = Math.min(kept - 1, gate?.through ?? Number.POSITIVE_INFINITY);
    for (let taken = 0; taken < TAKEN_BACK_PER_STEP; taken++) {
      const held = this.#held.take(through);
      if (held === undefined) break;
      const { entry, sequence } = held;
      if (entry.events > this.#keep) this.#crowded.add(entry, sequence);
    }
    if (this.#held.size === 0) this.#wanted = 0;
  }

  /** Takes some of the topics, and finds their oldest events: those that are too many. */
  #seek(head: number): Sought[] {
    const { oldest, pace } = this.#parts;
    const found: Sought[] = [];
    let room = pace.left;
    oldest.begin();
    while (
      room > 0 &&
      !oldest.isSpent &&
      !(found.length > 0 && (pace.isLate || this.#singly > 0))
    ) {
      const next = this.#crowded.take();
      if (next === undefined) break;
      const { entry, sequence: from } = next;
      this.#taken.set(entry, from);
      const over = entry.events - this.#keep;
      const search = { from, count: Math.min(room, over), isAll: over <= room };
      const sought = this.#orHoldBack(entry, () => oldest.seek(entry, search));
      if (sought === undefined) continue;
      found.push(sought);
      room -= Math.max(1, Math.min(search.count, sought.sequences.length));
    }
    const wrong = oldest.end(head);
    for (const [entry, damage] of wrong) this.#holdBack(entry, damage);
    return found.filter(({ entry }) => !wrong.has(entry));
  }

  /** The rows of those events that may go, from a bounded number of blocks. */
  #rowsOf(sought: readonly Sought[], free: Freedom): DoomedRow[] {
    const blocks = new Set<number>();
    return sought.flatMap((one) => this.#rowsOfTopic(one, free, blocks));
  }

  #rowsOfTopic(
    { entry, count, sequences, behind }: Sought,
    { kept, gate }: Freedom,
    blocks: Set<number>,
  ): DoomedRow[] {
    const { look, pace } = this.#parts;
    const rows: DoomedRow[] = [];
    for (const sequence of sequences.slice(0, count)) {
      if (pace.isOver) break;
      const isArchived = gate === undefined || sequence <= gate.through;
      if (sequence >= kept || !isArchived) {
        if (rows.length === 0) this.#hold(entry, sequence, sequence >= kept ? 0 : sequence);
        break;
      }
      if (!blocks.has(blockOf(sequence)) && blocks.size >= BLOCKS_PER_STEP) break;
      blocks.add(blockOf(sequence));
      const row = this.#orHoldBack(entry, () => look.one(sequence, entry));
      if (row === undefined || !pace.take(row.bytes)) break;
      rows.push(row);
    }
    // Of the sequences that are found, the first that stays is the next to go.
    this.#afterwards.set(entry, sequences[rows.length] ?? behind);
    const next = rows.length === 0 ? undefined : this.#next(entry, sequences[rows.length]);
    if (next !== undefined) rows.push({ ...rows.pop()!, next });
    return rows;
  }

  /** The event with which the topic begins afterwards, so that it need not be sought again. */
  #next(entry: TopicEntry, sequence: number | undefined): DoomedRow['next'] {
    if (sequence === undefined) return undefined;
    if (sequence === entry.lastSequence) return { sequence, recordedAt: entry.lastAt };
    try {
      return this.#parts.look.one(sequence, entry);
    } catch (error) {
      // It stays. Whoever comes to it is told.
      this.#damageOf(error);
      return undefined;
    }
  }

  /** The topic waits until its oldest event may go; `wanted`: for the archive to have that event, or 0. */
  #hold(entry: TopicEntry, sequence: number, wanted: number): void {
    this.#taken.delete(entry);
    this.#held.add(entry, sequence);
    this.#wanted = Math.max(this.#wanted, wanted);
  }

  /** Runs a look at a topic. Damage that it comes to holds the topic back. */
  #orHoldBack<T>(entry: TopicEntry, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      this.#holdBack(entry, this.#damageOf(error));
      return undefined;
    }
  }

  /** Nothing of the topic goes any more, unless it becomes small and large again. */
  #holdBack(entry: TopicEntry, damage: BusError): void {
    this.#taken.delete(entry);
    this.#damage ??= damage;
  }

  #damageOf(error: unknown): BusError {
    const damage = storeError(error, this.#parts.file, 'compacting');
    if (damage.code !== 'STORE_CORRUPT') throw error;
    return damage;
  }
}
