import { BusError } from '../../../protocol/errors.js';
import type { Database } from '../driver/driver.js';
import { BlockIndex } from '../index/block-index.js';
import type { TopicEntry } from '../index/topic-entry.js';
import type { TopicIndexWriter } from '../index/topic-index.js';
import { PrunedSequences } from '../rows/pruned-sequences.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import type { StepPace } from './step-pace.js';

/** Blocks whose index is looked up for a topic, in one step and for all topics. */
const BLOCKS_LOOKED_PER_STEP = 8192;
/** After so many of them, time is asked for again. */
const BLOCKS_PER_LOOK_AT_TIME = 16;

/** A topic and its oldest events, as far as they are found. */
export interface Sought {
  readonly entry: TopicEntry;
  /** So many of its events are sought, and fewer than it has. */
  readonly count: number;
  /** Ascending, without an older one between: at most `count`, and one more where the next one is known. */
  readonly sequences: number[];
  /** The topic has no other events before this sequence. */
  behind: number;
}

/** How a topic's oldest events are sought. */
export interface Search {
  readonly count: number;
  readonly isAll: boolean;
  readonly from: number;
}

/**
 * Finds the oldest events of topics by the index by topic, block by block from where a topic begins: those in the first
 * block that has any, so that they are neighbours of what other topics have there. The caller comes back for the rest. A
 * step looks at blocks for a bounded time, and a search that finds nothing within it goes on in the next step. So a topic is
 * found however far its events lie apart, and each block between them is looked at once.
 *
 * Use it in steps: `begin`, then `seek` for each topic until `isSpent`, then `end`. The events that are not on disk yet
 * are then gone through once for all topics.
 */
export class OldestEvents {
  readonly #file: string;
  readonly #index: TopicIndexWriter;
  readonly #pruned: PrunedSequences;
  readonly #blocks: BlockIndex;
  /** Topics whose events may not be on disk yet, by id. */
  readonly #inMemory = new Map<number, Sought>();
  readonly #pace: StepPace;
  #left = 0;

  constructor(database: Database, index: TopicIndexWriter, pace: StepPace) {
    this.#file = database.name;
    this.#pace = pace;
    this.#index = index;
    this.#pruned = new PrunedSequences(database);
    this.#blocks = new BlockIndex(database, this.#pruned);
  }

  begin(): void {
    this.#blocks.refresh();
    this.#inMemory.clear();
    this.#left = BLOCKS_LOOKED_PER_STEP;
  }

  /** The step may look at no more blocks. */
  get isSpent(): boolean {
    return this.#left <= 0 || (this.#left < BLOCKS_LOOKED_PER_STEP && this.#pace.isLate);
  }

  /**
   * Seeks up to `count` of the topic's oldest events, of which none is before `from`. The one after them is sought too if
   * they are `all` that are to go, so that the topic's beginning is known. The result is complete after `end`.
   * @throws BusError `STORE_CORRUPT` where they cannot be told; nothing of the topic may go then
   */
  seek(entry: TopicEntry, { count, isAll, from }: Search): Sought {
    const sought: Sought = { entry, count, sequences: [], behind: from };
    const { sequences } = sought;
    if (count === 1 && isAll && entry.firstSequence > 0) {
      sequences.push(entry.firstSequence);
      const isNextLast = entry.events === 2 && !this.#pruned.isPruned(entry.lastSequence);
      if (isNextLast) sequences.push(entry.lastSequence);
      return sought;
    }
    const last = blockOf(entry.lastSequence);
    let block = blockOf(Math.max(entry.goneThrough + 1, entry.firstSequence, from));
    for (; block <= last && block < this.#index.writtenBlocks; block++) {
      const isEnough = sequences.length > 0 && !(isAll && sequences.length === count);
      if (isEnough || this.#mustStop) return sought;
      this.#left--;
      this.#addFrom(block, sought);
      sought.behind = (block + 1) * INDEX_BLOCK_EVENTS;
      if (sequences.length > count) return sought;
    }
    if (block > last) throw this.#tooFew(sought);
    this.#inMemory.set(entry.id, sought);
    return sought;
  }

  /** Goes through the events that are not on disk. @returns the topics that have fewer events than their totals say */
  end(head: number): Map<TopicEntry, BusError> {
    const wrong = new Map<TopicEntry, BusError>();
    if (this.#inMemory.size === 0) return wrong;
    this.#index.visit(head, (topic, sequence) => {
      const sought = this.#inMemory.get(topic);
      if (sought !== undefined) this.#add(sought, sequence);
    });
    for (const sought of this.#inMemory.values()) {
      const { entry, count, sequences } = sought;
      if (sequences.length <= count) wrong.set(entry, this.#tooFew(sought));
    }
    this.#inMemory.clear();
    return wrong;
  }

  get #mustStop(): boolean {
    if (this.#left === 0) return true;
    return this.#left % BLOCKS_PER_LOOK_AT_TIME === 0 && this.isSpent;
  }

  #addFrom(block: number, sought: Sought): void {
    const start = block * INDEX_BLOCK_EVENTS;
    const topics = new Set([sought.entry.id]);
    const end = start + INDEX_BLOCK_EVENTS - 1;
    for (const sequence of this.#blocks.sequences(block, start - 1, end, topics)) {
      this.#add(sought, sequence);
      if (sought.sequences.length > sought.count) return;
    }
  }

  /** An index may still name an event that is gone. */
  #add({ entry, count, sequences }: Sought, sequence: number): void {
    if (sequences.length > count || sequence <= entry.goneThrough) return;
    if (!this.#pruned.isPruned(sequence)) sequences.push(sequence);
  }

  #tooFew({ entry, sequences }: Sought): BusError {
    const reason =
      `topic ${entry.name} has ${entry.events} events, and the index has only ` +
      `${sequences.length} of them: nothing of it is compacted`;
    return new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, {
      details: { file: this.#file, reason },
    });
  }
}
