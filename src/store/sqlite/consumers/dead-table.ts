import { BusError } from '../../../protocol/errors.js';
import { DEAD_BYTES_MAX, DEAD_KEPT_MAX } from '../../../protocol/limits/consumers.js';
import { MIB } from '../../../protocol/limits/units.js';
import {
  type DeadState,
  LETTER_DUE,
  NO_LETTER_WANTED,
  REDRIVEN,
  type StoredDeadEvent,
} from '../../consumer-states.js';
import type { Database, Statement } from '../driver/driver.js';
import { CONSUMER_DEAD_COUNT, MetaTable } from '../tables/meta-table.js';
import { DAMAGED, type DeadEntry, DeadIndex } from './dead-index.js';
import {
  DEAD_COLUMNS,
  type DeadRow,
  deadDamage,
  deadOf,
  isSoundDead,
  rowOfDead,
} from './dead-rows.js';
import { ToldDamage } from './told-damage.js';

/** Rows deleted in one batch when their consumer is. */
const ROWS_PER_REMOVAL = 1024;
/** A page of dead events ends once it has records of this many bytes. */
const PAGE_RECORD_BYTES = MIB;

/**
 * The table `consumer_dead`: the events that are dead for a consumer. It holds a bounded number of rows and of bytes;
 * beyond it the oldest are forgotten, those first whose letter is not due any more.
 */
export class DeadTable {
  /** Rows that were forgotten since the opening because there were too many. */
  forgotten = 0;
  readonly #database: Database;
  readonly #meta: MetaTable;
  readonly #recordOf: (sequence: number) => Uint8Array | undefined;
  readonly #kept: { readonly rows: number; readonly bytes: number };
  readonly #loaded = new DeadIndex();
  readonly #one: Statement<[string, number], DeadRow>;
  readonly #after: Statement<[string, number], DeadRow>;
  readonly #replace: Statement<DeadRow>;
  readonly #delete: Statement<[string, number]>;
  readonly #all: Statement<[], DeadRow>;
  /** The change in the number of rows since the transaction began. */
  #added = 0;
  #forgotten = 0;
  /** The open transaction has changed the table. */
  #isChanged = false;
  readonly #told: ToldDamage;
  /** The index is not that of the table. */
  #isStale = false;

  /**
   * @param recordOf the record of an event that is about to be pruned; undefined if it is damaged
   * @param kept at most so many rows, and bytes of records; for tests
   */
  constructor(
    database: Database,
    recordOf: (sequence: number) => Uint8Array | undefined,
    kept = { rows: DEAD_KEPT_MAX, bytes: DEAD_BYTES_MAX },
  ) {
    this.#database = database;
    this.#meta = new MetaTable(database);
    this.#recordOf = recordOf;
    this.#kept = kept;
    this.#told = new ToldDamage(database.name, kept.rows);
    const rows = `SELECT ${DEAD_COLUMNS} FROM consumer_dead WHERE consumer = ? AND sequence`;
    this.#one = database.prepare<[string, number], DeadRow>(`${rows} = ?`).raw();
    this.#after = database
      .prepare<[string, number], DeadRow>(`${rows} > ? ORDER BY sequence`)
      .raw();
    this.#replace = database.prepare<DeadRow>(
      `INSERT OR REPLACE INTO consumer_dead (${DEAD_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.prepare(
      'DELETE FROM consumer_dead WHERE consumer = ? AND sequence = ?',
    );
    this.#all = database
      .prepare<[], DeadRow>(`SELECT ${DEAD_COLUMNS} FROM consumer_dead ORDER BY died_at, sequence`)
      .raw();
    this.#load();
  }

  /** @throws BusError `STORE_CORRUPT` if a row is missing */
  assertComplete(): void {
    const expected = this.#meta.get(CONSUMER_DEAD_COUNT) + this.#added;
    const { size } = this.#index;
    if (size === expected) return;
    throw this.#damaged(`the table consumer_dead is damaged: it has ${size} rows, not ${expected}`);
  }

  /** Adds the event; if it is there, it keeps its record. */
  put(event: StoredDeadEvent): void {
    const { consumer, sequence } = event;
    const before = this.#one.get(consumer, sequence);
    const isSound = before !== undefined && isSoundDead(before);
    const record = event.record ?? (isSound ? deadOf(before).record : undefined);
    this.#write({ ...event, record }, before === undefined);
    this.#index.remove(consumer, sequence);
    this.#index.add(entryOf({ ...event, record }));
  }

  change(consumer: string, sequence: number, state: DeadState): void {
    this.#changeSound(consumer, sequence, (event) => ({ ...event, state }));
  }

  remove(consumer: string, sequence: number): void {
    if (this.#delete.run(consumer, sequence).changes === 0) return;
    this.#isChanged = true;
    this.#added--;
    this.#index.remove(consumer, sequence);
  }

  /** Removes some events of a consumer; true if more are left. */
  removeSome(consumer: string): boolean {
    const some: number[] = [];
    for (const entry of this.#index.all()) {
      if (entry.consumer === consumer) some.push(entry.sequence);
      if (some.length > ROWS_PER_REMOVAL) break;
    }
    for (const sequence of some.slice(0, ROWS_PER_REMOVAL)) this.remove(consumer, sequence);
    return some.length > ROWS_PER_REMOVAL;
  }

  /** @throws BusError `STORE_CORRUPT` */
  page(consumer: string, after: number, limit: number): StoredDeadEvent[] {
    this.assertComplete();
    const events: StoredDeadEvent[] = [];
    let bytes = 0;
    for (const row of this.#after.iterate(consumer, after)) {
      const event = this.#sound(row);
      bytes += event.record?.length ?? 0;
      if (events.push(event) >= limit || bytes >= PAGE_RECORD_BYTES) break;
    }
    return events;
  }

  /** @throws BusError `STORE_CORRUPT` if the event's row is damaged or missing */
  at(consumer: string, sequence: number): StoredDeadEvent | undefined {
    if (this.#index.get(consumer, sequence) === undefined) return undefined;
    return this.#read(consumer, sequence);
  }

  countOf(consumer: string): number {
    return this.#index.countOf(consumer);
  }

  dueCountOf(consumer: string): number {
    return this.#index.dueCountOf(consumer);
  }

  /** Undefined: the event is not dead for the consumer. A damaged row counts as dead, without a letter. */
  stateOf(consumer: string, sequence: number): DeadState | undefined {
    const index = this.#index;
    if (index.size === 0) return undefined;
    const state = index.get(consumer, sequence)?.state;
    return state === DAMAGED ? NO_LETTER_WANTED : (state as DeadState | undefined);
  }

  redriven(consumer: string): number[] {
    const index = this.#index;
    return [...index.all()]
      .filter((entry) => entry.consumer === consumer && entry.state === REDRIVEN)
      .map(({ sequence }) => sequence);
  }

  /** As `ShardConsumers.lettersDue`; a row of whose state nothing can be said is a fault too. */
  due(
    limit: number,
    isWanted: (consumer: string, sequence: number) => boolean = () => true,
    onDamage?: (error: BusError) => void,
  ): StoredDeadEvent[] {
    const look = <T>(work: () => T): T | undefined =>
      onDamage === undefined ? work() : this.#told.lookPast(work, onDamage);
    look(() => this.assertComplete());
    for (const { consumer, sequence } of this.#index.damaged()) {
      look(() => this.#read(consumer, sequence));
    }
    const events: StoredDeadEvent[] = [];
    let bytes = 0;
    for (const { consumer, sequence } of this.#index.due()) {
      if (events.length >= limit || bytes >= PAGE_RECORD_BYTES) break;
      if (!isWanted(consumer, sequence)) continue;
      const event = look(() => this.#read(consumer, sequence));
      if (event === undefined) {
        this.#index.change({ consumer, sequence, state: DAMAGED, bytes: 0 });
        continue;
      }
      bytes += event.record?.length ?? 0;
      events.push(event);
    }
    return events;
  }

  /** Whether any event that is dead is in the log. */
  get holds(): boolean {
    return this.#index.holds;
  }

  /** Moves the record of an event that is about to be pruned into the rows of those for whom it is dead. */
  keepRecord(sequence: number): void {
    const holders = this.#index.holdersOf(sequence);
    if (holders.length === 0) return;
    const record = this.#recordOf(sequence);
    if (record === undefined) return;
    for (const consumer of holders) {
      this.#changeSound(consumer, sequence, (event) => ({ ...event, record }));
    }
  }

  /** Forgets what is too much, and writes the number of rows, in the transaction. */
  finish(): void {
    if (!this.#isChanged) return;
    this.#trim();
    if (this.#added === 0) return;
    this.#meta.set({ [CONSUMER_DEAD_COUNT]: this.#meta.get(CONSUMER_DEAD_COUNT) + this.#added });
  }

  /** The transaction is committed. */
  commit(): void {
    this.forgotten += this.#forgotten;
    this.#end();
  }

  /** The transaction is undone, or about to be. */
  rollback(): void {
    if (this.#isChanged) this.#isStale = true;
    this.#end();
  }

  get #index(): DeadIndex {
    if (this.#isStale) this.#load();
    return this.#loaded;
  }

  #end(): void {
    this.#isChanged = false;
    this.#added = 0;
    this.#forgotten = 0;
  }

  #load(): void {
    this.#loaded.clear();
    for (const row of this.#all.iterate()) {
      const [consumer, sequence] = row;
      if (isSoundDead(row)) this.#loaded.add(entryOf(deadOf(row)));
      else this.#loaded.add({ consumer, sequence, state: DAMAGED, bytes: 0 });
    }
    this.#isStale = false;
  }

  /** Leaves a damaged row as it is: whoever reads it is told. */
  #changeSound(
    consumer: string,
    sequence: number,
    next: (event: StoredDeadEvent) => StoredDeadEvent,
  ): void {
    const row = this.#one.get(consumer, sequence);
    if (row === undefined || !isSoundDead(row)) return;
    const event = next(deadOf(row));
    this.#write(event, false);
    this.#index.change(entryOf(event));
  }

  #write(event: StoredDeadEvent, isNew: boolean): void {
    this.#isChanged = true;
    this.#replace.run(...rowOfDead(event));
    if (isNew) this.#added++;
  }

  #trim(): void {
    if (!this.#isOver) return;
    this.#forget(({ state }) => state !== LETTER_DUE);
    this.#forget(() => true);
  }

  get #isOver(): boolean {
    return this.#index.size > this.#kept.rows || this.#index.bytes > this.#kept.bytes;
  }

  /** Forgets the oldest of these events until there are few enough. */
  #forget(mayGo: (entry: DeadEntry) => boolean): void {
    for (const entry of this.#index.all()) {
      if (!this.#isOver) return;
      // Only records take bytes, so a row without one goes only where there are too many rows.
      const helps = this.#index.size > this.#kept.rows || entry.bytes > 0;
      if (!helps || !mayGo(entry)) continue;
      this.remove(entry.consumer, entry.sequence);
      this.#forgotten++;
    }
  }

  #read(consumer: string, sequence: number): StoredDeadEvent {
    const row = this.#one.get(consumer, sequence);
    if (row !== undefined) return this.#sound(row);
    const reason = `the row of event ${sequence}, dead for consumer ${consumer}, is missing`;
    throw this.#damaged(reason, { consumer, sequence });
  }

  #sound(row: DeadRow): StoredDeadEvent {
    if (isSoundDead(row)) return deadOf(row);
    throw this.#damaged(deadDamage(row), { consumer: row[0], sequence: row[1] });
  }

  #damaged(reason: string, event: Partial<StoredDeadEvent> = {}): BusError {
    const { name: file } = this.#database;
    const details = { file, ...event, reason };
    return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details });
  }
}

function entryOf({ consumer, sequence, state, record }: StoredDeadEvent): DeadEntry {
  return { consumer, sequence, state, bytes: record?.length ?? 0 };
}
