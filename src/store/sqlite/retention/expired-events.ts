import type { ExpiredEvent } from '../../expiry.js';
import { isDamagedPage } from '../driver/store-errors.js';
import { type ExpiryTable, expiryDamage } from '../rows/expiry-table.js';
import { blockOf } from '../tables/tables.js';
import type { DoomedRow, Removal } from './removal.js';
import type { RowLook } from './row-look.js';

/** Events that one step removes at most. */
const EVENTS_PER_STEP = 1024;
/** Index blocks that they lie in at most: each has a bitmap of 2 KiB that is written anew. */
const BLOCKS_PER_STEP = 64;

/** Finds events that have expired, by the table, and removes them, wherever in the log and in their topics they lie. */
export class ExpiredEvents {
  readonly #table: ExpiryTable;
  readonly #look: RowLook;
  readonly #removal: Removal;

  constructor(table: ExpiryTable, look: RowLook, removal: Removal) {
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
    const blocks = new Set<number>();
    for (const { sequence, expiresAt, isSound } of this.#table.due(now)) {
      blocks.add(blockOf(sequence));
      if (blocks.size > BLOCKS_PER_STEP) break;
      const fault = isSound ? this.#faultOf(sequence, expiresAt) : expiryDamage(sequence);
      found.push(fault === undefined ? { sequence } : { sequence, fault });
      if (found.length === EVENTS_PER_STEP) break;
    }
    for (const { sequence, fault } of found)
      if (fault !== undefined) this.#table.passOver(sequence);
    return found.sort((a, b) => a.sequence - b.sequence);
  }

  /** As `ShardExpiry.passOver`. */
  passOver(sequence: number): void {
    this.#table.passOver(sequence);
  }

  /** As `ShardExpiry.remove`. `head` is the last committed sequence. */
  remove(sequences: readonly number[], head: number): number {
    const rows: DoomedRow[] = [];
    for (const sequence of sequences) {
      const row = this.#look.at(sequence);
      if (row !== undefined && !row.isDamaged) rows.push({ ...row, isOldest: false });
    }
    // Whoever comes later would not have got them anyway.
    this.#removal.remove(rows, { head, isLoss: false });
    return rows.length;
  }

  /** A row that is damaged, missing or of another time must not be removed. */
  #faultOf(sequence: number, expiresAt: number): string | undefined {
    const row = this.#rowOf(sequence);
    if (row === 'unreadable') return `event ${sequence}, which expires, cannot be read`;
    if (row === undefined) return `event ${sequence}, which expires, is missing`;
    if (row.isDamaged) return `event ${sequence}, which expires, is damaged`;
    if (row.expiresAt === expiresAt) return undefined;
    return `event ${sequence} expires at ${row.expiresAt}, and not at ${expiresAt} as in expiries`;
  }

  #rowOf(sequence: number): ReturnType<RowLook['at']> | 'unreadable' {
    try {
      return this.#look.at(sequence);
    } catch (error) {
      if (!isDamagedPage(error)) throw error;
      return 'unreadable';
    }
  }
}
