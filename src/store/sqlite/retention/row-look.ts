import type { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';
import { storeError } from '../driver/store-errors.js';
import type { TopicEntry } from '../index/topic-entry.js';
import { HEAD_IS_WRONG_SQL } from '../rows/checksums.js';
import { damagedEvent } from '../rows/damaged-event.js';
import { ROW_BYTES_SQL } from '../rows/row-size.js';
import { CHECKED_FROM, readMeta } from '../tables/meta-table.js';
import type { DoomedRow } from './removal.js';

/** Rows that one step looks at, and so the most that it removes. */
const ROWS_PER_STEP = 1024;

type Row = [
  sequence: number,
  recordedAt: number,
  topic: number,
  bytes: number,
  expiresAt: number | null,
  isDamaged: number,
];

/** A row that was looked at by itself. */
export interface SingleRow extends Omit<DoomedRow, 'isOldest'> {
  readonly isDamaged: boolean;
}

/** How far a look has come. */
export interface Look {
  /** The last row that was shown and not refused, or the position that the look began behind. */
  readonly last: number;
  /** More rows may follow that one. */
  readonly hasMore: boolean;
  /** The damage, in a row or a page of the file, that ended the look early. */
  readonly damage?: BusError;
}

/** Reads the rows of events for those who decide what is removed. */
export class RowLook {
  readonly #file: string;
  readonly #select: Statement<[number, number], Row>;
  readonly #one: Statement<[number], Row>;

  constructor(database: Database) {
    this.#file = database.name;
    const rows = `SELECT sequence, recorded_at, topic, ${ROW_BYTES_SQL}, expires_at,
        sequence >= ${readMeta(database, CHECKED_FROM)} AND ${HEAD_IS_WRONG_SQL}
      FROM events WHERE sequence`;
    this.#select = database
      .prepare<[number, number], Row>(`${rows} > ? ORDER BY sequence LIMIT ?`)
      .raw();
    this.#one = database.prepare<[number], Row>(`${rows} = ?`).raw();
  }

  /**
   * Shows the rows after a position, up to the first damaged one or the first that `visit` refuses, and at most
   * `ROWS_PER_STEP`. `visit` must not use the database.
   *
   * A row whose topic or time is damaged must not decide what is removed. Nor may the rows behind it be removed before it,
   * since it may be an older event of the same topic. So whoever removes each row of a topic that it comes to removes the
   * topic's oldest event.
   */
  after(position: number, visit: (row: DoomedRow) => boolean): Look {
    const file = this.#file;
    let last = position;
    let rows = 0;
    try {
      for (const row of this.#select.iterate(position, ROWS_PER_STEP)) {
        const [sequence, recordedAt, topic, bytes, expiresAt, isDamaged] = row;
        if (isDamaged !== 0 || sequence <= last) {
          throw damagedEvent(file, sequence, ': nothing from there on is pruned');
        }
        const isTaken = visit({ sequence, recordedAt, topic, bytes, expiresAt, isOldest: true });
        if (!isTaken) return { last, hasMore: true };
        last = sequence;
        rows++;
      }
      return { last, hasMore: rows === ROWS_PER_STEP };
    } catch (error) {
      const damage = storeError(error, file, `pruning after event ${last} of`);
      if (damage.code !== 'STORE_CORRUPT') throw error;
      return { last, hasMore: false, damage };
    }
  }

  /**
   * The row of the oldest event of a topic, or of the oldest one that the caller does not remove before it.
   * @throws BusError `STORE_CORRUPT` if it is damaged, missing or on another topic: nothing from there on may go
   */
  one(sequence: number, entry: TopicEntry): DoomedRow {
    const row = this.#one.get(sequence);
    const isSound = row !== undefined && row[0] === sequence && row[2] === entry.id && row[5] === 0;
    if (!isSound) {
      const more = `: nothing of topic ${entry.name} from there on is compacted`;
      throw damagedEvent(this.#file, sequence, more);
    }
    const [, recordedAt, topic, bytes, expiresAt] = row;
    return { sequence, recordedAt, topic, bytes, expiresAt, isOldest: true };
  }

  /** The row of a sequence, and whether its head check is wrong; `undefined` if there is none. */
  at(sequence: number): SingleRow | undefined {
    const row = this.#one.get(sequence);
    if (row === undefined) return undefined;
    const [, recordedAt, topic, bytes, expiresAt, isDamaged] = row;
    return { sequence, recordedAt, topic, bytes, expiresAt, isDamaged: isDamaged !== 0 };
  }
}
