import type { Database, Statement } from '../driver/driver.js';
import { HEAD_IS_WRONG_SQL } from '../rows/checksums.js';
import { damagedEvent } from '../rows/damaged-event.js';
import type { PrunedSequences } from '../rows/pruned-sequences.js';
import { CHECKED_FROM, MetaTable } from '../tables/meta-table.js';

interface At {
  readonly sequence: number;
  readonly at: number;
  readonly isDamaged: number;
}

/**
 * Finds the last sequence recorded before a time, by bisection, since recorded time never runs backwards. The next
 * event that is left stands for pruned ones. If all events are later, the result is the sequence before the oldest one,
 * or 0.
 */
export class PositionAt {
  readonly #file: string;
  readonly #pruned: PrunedSequences;
  readonly #atOrAfter: Statement<[number], At>;
  readonly #last: Statement<[], At>;

  constructor(database: Database, pruned: PrunedSequences) {
    this.#file = database.name;
    this.#pruned = pruned;
    const checkedFrom = new MetaTable(database).all()[CHECKED_FROM] ?? Number.MAX_SAFE_INTEGER;
    const columns = `SELECT sequence, recorded_at AS at,
      sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL} AS isDamaged FROM events`;
    this.#atOrAfter = database.prepare(`${columns} WHERE sequence >= ? ORDER BY sequence LIMIT 1`);
    this.#last = database.prepare(`${columns} ORDER BY sequence DESC LIMIT 1`);
  }

  /** Call it within one snapshot. @throws BusError `STORE_CORRUPT` */
  at(timeMs: number): number {
    this.#pruned.refresh();
    const last = this.#sound(this.#last.get());
    if (last === undefined) return 0;
    const first = this.#find(1);
    if (first === undefined || first.at >= timeMs) return (first?.sequence ?? 1) - 1;
    if (last.at < timeMs) return last.sequence;
    // The event at `low` is before the time, the one found at `high` is not.
    let low = first.sequence;
    let high = last.sequence;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#find(middle);
      if (found !== undefined && found.at < timeMs) low = Math.max(middle, found.sequence);
      else high = middle;
    }
    return low;
  }

  /** The first event at or after a sequence. */
  #find(sequence: number): At | undefined {
    const found = this.#sound(this.#atOrAfter.get(sequence));
    if (found === undefined) return undefined;
    if (found.sequence < sequence) throw damagedEvent(this.#file, found.sequence);
    if (found.sequence > sequence) this.#pruned.assertPruned(sequence, found.sequence - 1);
    return found;
  }

  #sound(found: At | undefined): At | undefined {
    if (found !== undefined && found.isDamaged !== 0)
      throw damagedEvent(this.#file, found.sequence);
    return found;
  }
}
