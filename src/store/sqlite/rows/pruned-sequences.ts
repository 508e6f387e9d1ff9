import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { isChecked, MetaTable, PRUNED_BLOCKS, PRUNED_EVENTS } from '../tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS, SPARSE_BLOCK_EVENTS } from '../tables/tables.js';
import { checksumOf } from './checksums.js';

/**
 * Records which sequences were pruned, so that a row that is missing for another reason is noticed. Sequences are
 * assigned without holes, so every hole between rows is looked up here; rows without holes cost nothing.
 *
 * `meta` has the number of leading blocks of `INDEX_BLOCK_EVENTS` that have no event left. Each later block of which
 * something was pruned has a row in `pruned_blocks`: a bit for each sequence, or no bits if all are gone. So the state
 * takes at most 2 KiB for a block that still has events, and a few bytes for an empty one between such blocks.
 */
const BITMAP_BYTES = INDEX_BLOCK_EVENTS / 8;
const ALL = Buffer.alloc(0);
/** Bitmaps that are cached; reading goes from one block to the next. */
const BLOCKS_CACHED = 16;

type PrunedBlock = [block: number, bits: Buffer, checksum: number];

export interface Present {
  readonly count: number;
  /** The sum of the sequences' distances from the start of the range. */
  readonly sum: number;
}

/** Reads the state over one connection. */
export class PrunedSequences {
  readonly #database: Database;
  readonly #meta: MetaTable;
  readonly #cache = new Map<number, Buffer | undefined>();
  #select: Statement<[number], PrunedBlock> | undefined;
  #wholeBlocks = 0;
  #prunedEvents = -1;
  #hasState = false;

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new MetaTable(database);
  }

  /** Drops cached state that has changed. Call it at the start of each snapshot. */
  refresh(): void {
    const numbers = this.#meta.all();
    const prunedEvents = numbers[PRUNED_EVENTS] ?? 0;
    if (prunedEvents === this.#prunedEvents) return;
    this.#prunedEvents = prunedEvents;
    this.#wholeBlocks = numbers[PRUNED_BLOCKS] ?? 0;
    this.#hasState = isChecked(numbers);
    this.#cache.clear();
  }

  /**
   * The first sequence in `[from, to]` that was not pruned, if any. Always `undefined` in a log of an earlier format
   * that is only read, since that has no such state.
   */
  firstKept(from: number, to: number): number | undefined {
    if (!this.#hasState) return undefined;
    let sequence = Math.max(from, this.#wholeBlocks * INDEX_BLOCK_EVENTS, 1);
    while (sequence <= to) {
      const block = blockOf(sequence);
      const start = block * INDEX_BLOCK_EVENTS;
      const end = Math.min(to, start + INDEX_BLOCK_EVENTS - 1);
      const bits = this.#bitsOf(block);
      if (bits === undefined) return sequence;
      if (bits.length > 0) {
        for (; sequence <= end; sequence++) if (!hasBit(bits, sequence - start)) return sequence;
      }
      sequence = end + 1;
    }
    return undefined;
  }

  isPruned(sequence: number): boolean {
    return this.#hasState && this.firstKept(sequence, sequence) === undefined;
  }

  /**
   * The number and sum of the sequences in `(after, until]`, a range within one block, that were not pruned;
   * `undefined` if that is not known.
   */
  present(after: number, until: number): Present | undefined {
    if (!this.#hasState) return undefined;
    const block = blockOf(until);
    const start = block * INDEX_BLOCK_EVENTS;
    if (block < this.#wholeBlocks) return { count: 0, sum: 0 };
    const bits = this.#bitsOf(block);
    const all = until - after;
    if (bits === undefined) return { count: all, sum: (all * (all + 1)) / 2 };
    let count = 0;
    let sum = 0;
    if (bits.length > 0) {
      for (let sequence = after + 1; sequence <= until; sequence++) {
        if (hasBit(bits, sequence - start)) continue;
        count++;
        sum += sequence - after;
      }
    }
    return { count, sum };
  }

  /** Call it where `[from, to]` has no rows. @throws BusError `STORE_CORRUPT` if any event there was not pruned */
  assertPruned(from: number, to: number): void {
    const missing = this.firstKept(from, to);
    if (missing === undefined) return;
    const range = from === to ? `event ${from} is` : `events ${from} to ${to} are`;
    const reason = `${range} missing, and ${missing} was never pruned`;
    const { name: file } = this.#database;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, {
      details: { file, sequence: missing, reason },
    });
  }

  #bitsOf(block: number): Buffer | undefined {
    if (this.#cache.has(block)) return this.#cache.get(block);
    if (this.#cache.size >= BLOCKS_CACHED) this.#cache.clear();
    this.#select ??= this.#database
      .prepare<[number], PrunedBlock>(
        'SELECT block, bits, checksum FROM pruned_blocks WHERE block = ?',
      )
      .raw();
    const row = this.#select.get(block);
    const bits = row === undefined ? undefined : checkedBits(this.#database.name, row);
    this.#cache.set(block, bits);
    return bits;
  }
}

/** What a step has left. */
export interface PrunedNow {
  /** The number of leading blocks that have no event left. */
  readonly wholeBlocks: number;
  /**
   * Those blocks, of the ones that the step took events from, that have fewer than `SPARSE_BLOCK_EVENTS` left. Sequences
   * that are not assigned yet count as left.
   */
  readonly sparse: readonly number[];
}

/** Updates the state, in the transactions that prune. The writer's alone. */
export class PrunedSequencesWriter {
  readonly #file: string;
  readonly #select: Statement<[number], PrunedBlock>;
  readonly #from: Statement<[number], PrunedBlock>;
  readonly #replace: Statement<[number, Buffer, number]>;
  readonly #deleteBelow: Statement<[number]>;
  #block = -1;
  #bits = Buffer.alloc(BITMAP_BYTES);
  #sparse: number[] = [];

  constructor(database: Database) {
    this.#file = database.name;
    const columns = 'SELECT block, bits, checksum FROM pruned_blocks WHERE block';
    this.#select = database.prepare<[number], PrunedBlock>(`${columns} = ?`).raw();
    this.#from = database.prepare<[number], PrunedBlock>(`${columns} >= ? ORDER BY block`).raw();
    this.#replace = database.prepare(
      'INSERT OR REPLACE INTO pruned_blocks (block, bits, checksum) VALUES (?, ?, ?)',
    );
    this.#deleteBelow = database.prepare('DELETE FROM pruned_blocks WHERE block < ?');
  }

  /** Drops the remains of a step that failed. */
  begin(): void {
    this.#block = -1;
    this.#sparse = [];
  }

  /** Marks the events `first` to `last` as pruned. */
  add(first: number, last: number): void {
    for (let sequence = first; sequence <= last; sequence++) {
      const block = blockOf(sequence);
      if (block !== this.#block) this.#turnTo(block);
      const at = sequence - block * INDEX_BLOCK_EVENTS;
      this.#bits[at >> 3]! |= 1 << (at & 7);
    }
  }

  /** Writes the rest. `before` is the number of leading blocks without events before this step. */
  end(before: number): PrunedNow {
    this.#write();
    this.#block = -1;
    const sparse = this.#sparse;
    this.#sparse = [];
    let whole = before;
    for (const row of this.#from.iterate(before)) {
      // A damaged row is told to those who need it. It must not hold up removals elsewhere.
      if (row[0] !== whole || !isSound(row) || row[1].length > 0) break;
      whole++;
    }
    if (whole > before) this.#deleteBelow.run(whole);
    return { wholeBlocks: whole, sparse };
  }

  #turnTo(block: number): void {
    this.#write();
    this.#block = block;
    this.#bits.fill(0);
    // There is no sequence 0.
    if (block === 0) this.#bits[0] = 1;
    const row = this.#select.get(block);
    if (row === undefined) return;
    const bits = checkedBits(this.#file, row);
    if (bits.length === 0) this.#bits.fill(0xff);
    else bits.copy(this.#bits);
  }

  #write(): void {
    if (this.#block < 0) return;
    const left = INDEX_BLOCK_EVENTS - countBits(this.#bits);
    if (left < SPARSE_BLOCK_EVENTS) this.#sparse.push(this.#block);
    const bits = left === 0 ? ALL : Buffer.from(this.#bits);
    this.#replace.run(this.#block, bits, checksumOf(bits, [this.#block]));
  }
}

function hasBit(bits: Buffer, at: number): boolean {
  return (bits[at >> 3]! & (1 << (at & 7))) !== 0;
}

function countBits(bits: Buffer): number {
  let count = 0;
  for (let at = 0; at < bits.length; at += 4) {
    let word = bits.readInt32LE(at);
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

function isSound([block, bits, checksum]: PrunedBlock): boolean {
  const isWhole = bits.length === 0 || bits.length === BITMAP_BYTES;
  return isWhole && checksum === checksumOf(bits, [block]);
}

function checkedBits(file: string, row: PrunedBlock): Buffer {
  const [block, bits] = row;
  if (isSound(row)) return bits;
  const reason = `the row of block ${block} in pruned_blocks is damaged`;
  throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
}
