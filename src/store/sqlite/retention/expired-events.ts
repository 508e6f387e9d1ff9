import type { ExpiredEvent } from '../../expiry.js';
import { isDamagedPage } from '../driver/store-errors.js';
import { type ExpiryTable, expiryDamage } from '../rows/expiry-table.js';
import { blockOf } from '../tables/tables.js';
import type { DoomedRow, Removal } from './removal.js';
import type { RowLook, SingleRow } from './row-look.js';
import type { StepPace } from './step-pace.js';

/** Damaged entries that one step shows at most. */
const FAULTS_PER_STEP = 64;
/** Index blocks that they lie in at most: each has a bitmap of 2 KiB that is written anew. */
const BLOCKS_PER_STEP = 64;

/** Finds events that have expired, by the table, and removes them, wherever in the log and in their topics they lie. */
export class ExpiredEvents {
  readonly #table: ExpiryTable;
  readonly #look: RowLook;
  readonly #removal: Removal;
  readonly #pace: StepPace;

  constructor(table: ExpiryTable, look: RowLook, removal: Removal, pace: StepPace) {
    this.#pace = pace;
    this.#table = table;
    this.#look = look;
    this.#removal = removal;
  }

  /** When the first event expires, ms since 1970; `Infinity` if none does. */
  get first(): number {
    return this.#table.first;
  }

  /** As `ShardExpiry.due`. */
  due(now: number): ExpiredEvent[] {
    const found: ExpiredEvent[] = [];
    const faulty: ExpiredEvent[] = [];
    const blocks = new Set<number>();
    this.#pace.begin();
    for (const { sequence, expiresAt, isSound } of this.#table.due(now)) {
      blocks.add(blockOf(sequence));
      if (blocks.size > BLOCKS_PER_STEP || this.#pace.isOver) break;
      if (faulty.length === FAULTS_PER_STEP) break;
      const row = isSound ? this.#rowOf(sequence) : undefined;
      const fault = isSound ? faultOf(row, sequence, expiresAt) : expiryDamage(sequence);
      if (fault !== undefined) faulty.push({ sequence, fault });
      else if (this.#pace.take((row as SingleRow).bytes)) found.push({ sequence });
      else break;
    }
    for (const { sequence } of faulty) this.#table.passOver(sequence);
    return [...found, ...faulty].sort((a, b) => a.sequence - b.sequence);
  }

  /** As `ShardExpiry.passOver`. */
  passOver(sequence: number): void {
    this.#table.passOver(sequence);
  }

  /** As `ShardExpiry.remove`. `head` is the last committed sequence. */
  remove(sequences: readonly number[], head: number): number {
    return this.#pace.time(() => {
      const rows: DoomedRow[] = [];
      for (const sequence of sequences) {
        const row = this.#look.at(sequence);
        if (row !== undefined && !row.isDamaged) rows.push({ ...row, isOldest: false });
      }
      // Whoever comes later would not have got them anyway.
      this.#removal.remove(rows, { head, isLoss: false });
      return rows.length;
    });
  }

  #rowOf(sequence: number): SingleRow | 'unreadable' | undefined {
    try {
      return this.#look.at(sequence);
    } catch (error) {
      if (!isDamagedPage(error)) throw error;
      return 'unreadable';
    }
  }
}

/** A row that is damaged, missing or of another time must not be removed. */
function faultOf(
  row: SingleRow | 'unreadable' | undefined,
  sequence: number,
  expiresAt: number,
): string | undefined {
  if (row === 'unreadable') return `event ${sequence}, which expires, cannot be read`;
  if (row === undefined) return `event ${sequence}, which expires, is missing`;
  if (row.isDamaged) return `event ${sequence}, which expires, is damaged`;
  if (row.expiresAt === expiresAt) return undefined;
  return `event ${sequence} expires at ${row.expiresAt}, and not at ${expiresAt} as in expiries`;
}
