import { BusError } from '../../../protocol/errors.js';
import type { Database } from '../driver/driver.js';
import { BlockIndex } from '../index/block-index.js';
import type { TopicEntry } from '../index/topic-entry.js';
import type { TopicIndexWriter } from '../index/topic-index.js';
import { PrunedSequences } from '../rows/pruned-sequences.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';

/** Blocks whose index is looked up for a topic, in one step and for all topics. */
const BLOCKS_LOOKED_PER_STEP = 512;

/** A topic and its oldest events, as far as they are found. */
export interface Sought {
  readonly entry: TopicEntry;
  /** So many of its events are sought, and fewer than it has. */
  readonly count: number;
  /** Ascending, without an older one between: at most `count`, and one more where the next one is known. */
  readonly sequences: number[];
}

/**
 * Finds the oldest events of topics by the index by topic, block by block from where a topic begins, a bounded number of
 * blocks in one step. A search that finds nothing within the bound goes on in the next step. So a topic is found however
 * far its events lie apart, and each block between them is looked at once.
 *
 * Use it in steps: `begin`, then `seek` for each topic until `isSpent`, then `end`. The events that are not on disk yet
 * are then gone through once for all topics.
 */
export class OldestEvents {
  readonly #file: string;
  readonly #index: TopicIndexWriter;
  readonly #pruned: PrunedSequences;
  readonly #blocks: BlockIndex;
  /** For topics of which nothing is found yet: the block to look at next. */
  readonly #goOn = new Map<TopicEntry, number>();
  /** Topics whose events may not be on disk yet, by id. */
  readonly #inMemory = new Map<number, Sought>();
  #left = 0;

  constructor(database: Database, index: TopicIndexWriter) {
    this.#file = database.name;
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
    return this.#left <= 0;
  }

  /**
   * Seeks `count` of the topic's oldest events. The result is complete after `end`.
   * @throws BusError `STORE_CORRUPT` where they cannot be told; nothing of the topic may go then
   */
  seek(entry: TopicEntry, count: number): Sought {
    const sought: Sought = { entry, count, sequences: [] };
    if (count === 1 && entry.firstSequence > 0) {
      sought.sequences.push(entry.firstSequence);
      const isNextLast = entry.events === 2 && !this.#pruned.isPruned(entry.lastSequence);
      if (isNextLast) sought.sequences.push(entry.lastSequence);
      return sought;
    }
    const first = Math.max(entry.goneThrough + 1, entry.firstSequence);
    const last = blockOf(entry.lastSequence);
    let block = Math.max(this.#goOn.get(entry) ?? 0, blockOf(first));
    this.#goOn.delete(entry);
    for (; block <= last && block < this.#index.writtenBlocks; block++) {
      if (this.#left-- <= 0) {
        if (sought.sequences.length === 0) this.#goOn.set(entry, block);
        return sought;
      }
      this.#addFrom(block, sought);
      if (sought.sequences.length > count) return sought;
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
