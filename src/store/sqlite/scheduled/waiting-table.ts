import { MIB } from '../../../protocol/limits/units.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordView,
} from '../../../record/event-record.js';
import type { DuePublish, WaitingPlace, WaitingTimes } from '../../scheduled.js';
import type { Database, Statement } from '../driver/driver.js';
import { FirstTime } from '../tables/first-time.js';
import { MetaTable, SCHEDULED_COUNT } from '../tables/meta-table.js';
import { RowCount } from '../tables/row-count.js';
import {
  isSoundWaiting,
  rowOfWaiting,
  WAITING_COLUMNS,
  type WaitingRow,
  waitingDamage,
  waitingOf,
} from './waiting-rows.js';

/** A page of waiting publishes ends once it has records of this many bytes. */
const PAGE_RECORD_BYTES = MIB;

type IdPlace = [id: string, dueAt: number, number: number];
type NamePlace = [id: string, topic: string, dueAt: number, number: number];

/**
 * The table `scheduled`: publishes that wait for their time. In memory are their number and the first due time, however
 * many wait; two indexes find them by time and by id.
 */
export class WaitingTable {
  readonly #insert: Statement<WaitingRow>;
  readonly #delete: Statement<[number]>;
  readonly #due: Statement<[number], WaitingRow>;
  readonly #after: Statement<[number, number], WaitingRow>;
  readonly #byId: Statement<IdPlace, WaitingRow>;
  readonly #named: Statement<[string, string], WaitingRow>;
  readonly #byName: Statement<NamePlace, WaitingRow>;
  readonly #view = new EventRecordView();
  readonly #other = new EventRecordView();
  /** Leaves damaged rows aside that `due` has shown. */
  readonly #first: FirstTime;
  readonly #count: RowCount;
  #numberNext: number;

  constructor(database: Database) {
    this.#insert = database.prepare<WaitingRow>(
      `INSERT INTO scheduled (${WAITING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare('DELETE FROM scheduled WHERE number = ?');
    this.#first = new FirstTime(database, 'scheduled', 'due_at, number');
    const rows = `SELECT ${WAITING_COLUMNS} FROM scheduled`;
    const order = 'ORDER BY due_at, number';
    this.#due = database.prepare<[number], WaitingRow>(`${rows} WHERE due_at <= ? ${order}`).raw();
    const after = `${rows} WHERE (due_at, number) > (?, ?) ${order}`;
    this.#after = database.prepare<[number, number], WaitingRow>(after).raw();
    const named = `${rows} WHERE id = ? AND topic = ?`;
    this.#named = database.prepare<[string, string], WaitingRow>(named).raw();
    const behind = `AND (due_at, number) > (?, ?) ${order}`;
    this.#byId = database.prepare<IdPlace, WaitingRow>(`${rows} WHERE id = ? ${behind}`).raw();
    this.#byName = database.prepare<NamePlace, WaitingRow>(`${named} ${behind}`).raw();
    this.#count = new RowCount(new MetaTable(database), SCHEDULED_COUNT);
    const last = database.prepare<[], number | null>('SELECT max(number) FROM scheduled').pluck();
    this.#numberNext = (last.get() ?? 0) + 1;
  }

  get count(): number {
    return this.#count.value;
  }

  get firstDue(): number {
    return this.#first.value;
  }

  put(bytes: Buffer, offset: number, { dueAt, acceptedAt }: WaitingTimes): void {
    const { length } = this.#view.wrap(bytes, offset);
    const record = Buffer.from(bytes.subarray(offset, offset + length));
    this.#insert.run(...rowOfWaiting({ number: this.#numberNext, dueAt, acceptedAt, record }));
    this.#numberNext++;
    this.#count.add(1);
    this.#first.changed();
  }

  find(bytes: Buffer, offset: number): number | undefined {
    if (this.count === 0) return undefined;
    const wanted = this.#view.wrap(bytes, offset);
    for (const row of this.#named.iterate(wanted.id, wanted.topic)) {
      if (!isSoundWaiting(row)) continue;
      if (isSamePublish(this.#other.wrap(row[5], 0), wanted)) return row[1];
    }
    return undefined;
  }

  due(until: number, limit: number): DuePublish[] {
    const found: DuePublish[] = [];
    let bytes = 0;
    for (const row of this.#due.iterate(until)) {
      if (this.#first.isPassedOver(row[0])) continue;
      const publish = waitingOf(row);
      if (isSoundWaiting(row)) found.push(publish);
      else {
        this.#first.passOver(row[0]);
        found.push({ ...publish, fault: waitingDamage(row) });
      }
      bytes += row[5]?.length ?? 0;
      if (found.length >= limit || bytes >= PAGE_RECORD_BYTES) break;
    }
    return found;
  }

  remove(number: number): void {
    this.#count.add(-this.#delete.run(number).changes);
    this.#first.changed();
  }

  page({ dueAt, number }: WaitingPlace, limit: number): DuePublish[] {
    return this.#collect(this.#after.iterate(dueAt, number), limit);
  }

  withId(
    id: string,
    topic: string | undefined,
    { dueAt, number }: WaitingPlace,
    limit: number,
  ): DuePublish[] {
    const rows =
      topic === undefined
        ? this.#byId.iterate(id, dueAt, number)
        : this.#byName.iterate(id, topic, dueAt, number);
    return this.#collect(rows, limit);
  }

  /** Writes the number of rows, in the batch's transaction. */
  finish(): void {
    this.#count.finish();
  }

  commit(): void {
    this.#count.commit();
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    this.#count.rollback();
    this.#first.changed();
  }

  #collect(rows: Iterable<WaitingRow>, limit: number): DuePublish[] {
    const found: DuePublish[] = [];
    let bytes = 0;
    for (const row of rows) {
      // A time that is no number comes behind all times, and names no place to go on from.
      if (typeof row[1] !== 'number') break;
      const publish = waitingOf(row);
      const isSound = isSoundWaiting(row);
      const one = isSound ? publish : { ...publish, fault: waitingDamage(row) };
      if (isSound) bytes += row[5].length;
      if (found.push(one) >= limit || bytes >= PAGE_RECORD_BYTES) break;
    }
    return found;
  }
}

/** The rule of `ShardLog.findDuplicate`, of records that agree in topic and id. */
function isSamePublish(waiting: EventRecordView, wanted: EventRecordView): boolean {
  const mask = EVENT_FLAG_SUPPLIED_ID | EVENT_FLAG_ID_OF_SOURCE;
  if ((waiting.flags & mask) !== (wanted.flags & mask)) return false;
  if ((wanted.flags & EVENT_FLAG_SUPPLIED_ID) === 0) return false;
  return (wanted.flags & EVENT_FLAG_ID_OF_SOURCE) === 0 || waiting.source === wanted.source;
}
