import type { BusError } from '../../protocol/errors.js';
import type {
  ArchiveGate,
  KeptFrom,
  PatternTotals,
  PruneRequest,
  PruneStep,
  RetentionRule,
} from '../pruning.js';
import type { DeadTable } from './consumers/dead-table.js';
import type { Database, Statement } from './driver/driver.js';
import { storeError } from './driver/store-errors.js';
import { deleteFieldRows } from './fields/field-table.js';
import { IDS } from './index/id-index.js';
import type { TopicEntry, TopicTable } from './index/topic-table.js';
import { HEAD_IS_WRONG_SQL } from './rows/checksums.js';
import { damagedEvent } from './rows/damaged-event.js';
import { PrunedIds } from './rows/pruned-ids.js';
import { PrunedSequencesWriter } from './rows/pruned-sequences.js';
import { ROW_BYTES_SQL } from './rows/row-size.js';
import {
  CHECKED_FROM,
  MetaTable,
  PRUNED_BLOCKS,
  PRUNED_EVENTS,
  PRUNED_IDS_COUNT,
  PRUNED_RECORDED_AT,
  PRUNED_THROUGH,
} from './tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS, SPARSE_BLOCK_EVENTS } from './tables/tables.js';

/** Rows that one step looks at, and so the most that it deletes. */
const ROWS_PER_STEP = 1024;

/** Topics forgotten in one step. */
const TOPICS_PER_STEP = 1024;

type Row = [sequence: number, recordedAt: number, topic: number, bytes: number, isDamaged: number];

/** Tables that outlive the events that are removed. */
interface Kept {
  readonly topics: TopicTable;
  readonly dead: DeadTable;
}

/** The rows that a step may act on. */
interface Look {
  readonly rows: readonly Row[];
  /** The damage, in a row or a page of the file, that ended the rows early. */
  readonly damage?: BusError;
}

/**
 * Removes the oldest events that a rule says are too old, too many or too large, and events on request, a bounded
 * number of rows at a time. A rule counts the events of all the topics that it matches in this shard together. An event
 * goes when any one rule says so. A rule may wait for consumers: it then keeps the events that one of them still needs.
 */
export class Retention {
  readonly #database: Database;
  readonly #topics: TopicTable;
  readonly #dead: DeadTable;
  readonly #rules: readonly RetentionRule[];
  /** Per rule, the sequence up to which it has nothing left. */
  readonly #positions: number[];
  readonly #select: Statement<[number, number], Row>;
  readonly #delete: Statement<[number, number]>;
  readonly #deleteIndexRow: Statement<[number, number]>;
  readonly #deleteIndexBlocks: Statement<[number]>;
  readonly #countRows: Statement<[number, number, number], number>;
  readonly #meta: MetaTable;
  readonly #prunedIds: PrunedIds;
  readonly #pruned: PrunedSequencesWriter;
  #prunedThrough: number;
  #prunedEvents: number;

  /** Ids are remembered for `dedupeWindowMs`, even those of pruned events. */
  constructor(
    database: Database,
    { topics, dead }: Kept,
    rules: readonly RetentionRule[],
    dedupeWindowMs: number,
  ) {
    this.#database = database;
    this.#prunedIds = new PrunedIds(database, dedupeWindowMs);
    this.#topics = topics;
    this.#dead = dead;
    this.#rules = rules;
    this.#pruned = new PrunedSequencesWriter(database);
    this.#meta = new MetaTable(database);
    const numbers = this.#meta.all();
    this.#positions = rules.map((rule) => numbers[positionKey(rule)] ?? 0);
    this.#prunedThrough = numbers[PRUNED_THROUGH] ?? 0;
    this.#prunedEvents = numbers[PRUNED_EVENTS] ?? 0;
    const checkedFrom = numbers[CHECKED_FROM];
    this.#select = database
      .prepare<[number, number], Row>(
        `SELECT sequence, recorded_at, topic, ${ROW_BYTES_SQL},
           sequence >= ${checkedFrom} AND ${HEAD_IS_WRONG_SQL}
         FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?`,
      )
      .raw();
    this.#delete = database.prepare('DELETE FROM events WHERE sequence BETWEEN ? AND ?');
    this.#deleteIndexRow = database.prepare(
      'DELETE FROM topic_index WHERE block = ? AND topic = ?',
    );
    this.#deleteIndexBlocks = database.prepare('DELETE FROM topic_index WHERE block < ?');
    this.#countRows = database
      .prepare<[number, number, number], number>(
        'SELECT count(*) FROM (SELECT 1 FROM events WHERE sequence >= ? AND sequence < ? LIMIT ?)',
      )
      .pluck();
  }

  /** The last sequence that was pruned from any topic. */
  get prunedThrough(): number {
    return this.#prunedThrough;
  }

  get prunedEvents(): number {
    return this.#prunedEvents;
  }

  /**
   * Does one step, in a transaction of its own; returns true if there is more to do.
   * @throws BusError `STORE_CORRUPT` if no rule has more to do and one has come to a damaged row
   */
  step(now: number, head: number, keptFrom: KeptFrom, gate?: ArchiveGate): boolean {
    let found: BusError | undefined;
    for (let rule = 0; rule < this.#rules.length; rule++) {
      const kept = this.#waits(rule) ? keptFrom(rule) : Number.POSITIVE_INFINITY;
      if (!this.#mayHaveWork(rule, kept)) continue;
      const { rows, damage } = this.#lookAfter(this.#positions[rule]!);
      if (rows.length === 0) {
        found ??= damage;
        continue;
      }
      const doomed = this.#doomed(rule, rows, now, kept, gate);
      const before = this.#positions[rule]!;
      this.#positions[rule] = rows[doomed.looked - 1]?.[0] ?? before;
      try {
        if (doomed.rows.length > 0) this.#remove(doomed.rows, head);
      } catch (error) {
        this.#positions[rule] = before;
        throw error;
      }
      const isEnd = damage === undefined && rows.length < ROWS_PER_STEP;
      if (doomed.looked === rows.length && !isEnd) return true;
    }
    if (found !== undefined) throw found;
    return false;
  }

  /**
   * Forgets a bounded number of topics that hold no event and whose index is on disk, in a transaction of its own.
   * Blocks below `writtenBlocks` are on disk.
   * @returns the number of topics forgotten
   */
  forgetTopics(writtenBlocks: number): number {
    const entries = this.#topics.forgettable(TOPICS_PER_STEP, writtenBlocks);
    if (entries.length === 0) return 0;
    const forget = (): void => {
      this.#topics.deleteRows(entries);
      for (const { id, prunedThrough } of entries) {
        this.#deleteIndexRow.run(blockOf(prunedThrough), id);
      }
    };
    this.#database.transaction(forget).immediate();
    this.#topics.forgotten(entries);
    return entries.length;
  }

  /** Writes where the rules go on after the next opening, in the caller's transaction. */
  writePositions(): void {
    this.#meta.set(this.#positionNumbers());
  }

  /** Counts the events and bytes of the topics that match. */
  totals(matches: (topic: string) => boolean): PatternTotals {
    let events = 0;
    let bytes = 0;
    for (const entry of this.#topics.entries()) {
      if (entry.events === 0 || !matches(entry.name)) continue;
      events += entry.events;
      bytes += entry.bytes;
    }
    return { events, bytes };
  }

  /**
   * Does one step of a requested removal, in a transaction of its own.
   * @throws BusError `STORE_CORRUPT` at a damaged row
   */
  prune(
    request: PruneRequest,
    matches: (topic: string) => boolean,
    head: number,
    gate?: ArchiveGate,
  ): PruneStep {
    const { beforeMs = Number.NEGATIVE_INFINITY, excessEvents, excessBytes } = request;
    const { rows, damage } = this.#lookAfter(request.after);
    if (damage !== undefined && rows.length === 0) throw damage;
    const matching = new Map<number, boolean>();
    const doomed: Row[] = [];
    let bytes = 0;
    let isDone = damage === undefined && rows.length < ROWS_PER_STEP;
    for (const row of rows) {
      const [, recordedAt, topic, rowBytes] = row;
      let isMatch = matching.get(topic);
      if (isMatch === undefined) {
        isMatch = matches(this.#topics.byId(topic).name);
        matching.set(topic, isMatch);
      }
      if (!isMatch) continue;
      if (recordedAt >= beforeMs && doomed.length >= excessEvents && bytes >= excessBytes) {
        isDone = true;
        break;
      }
      if (gate !== undefined && row[0] > gate.through) {
        gate.want(row[0]);
        isDone = true;
        break;
      }
      doomed.push(row);
      bytes += rowBytes;
    }
    if (doomed.length > 0) this.#remove(doomed, head);
    const events = doomed.length;
    return isDone ? { events, bytes } : { events, bytes, next: rows[rows.length - 1]![0] };
  }

  #positionNumbers(): Record<string, number> {
    const numbers: Record<string, number> = {};
    for (const [rule, position] of this.#positions.entries()) {
      if (position > 0) numbers[positionKey(this.#rules[rule]!)] = position;
    }
    return numbers;
  }

  /**
   * The rows after a position, up to the first damaged one. A row whose topic or time is damaged must not decide what
   * is removed. Nor may the rows behind it be removed before it, since it may be an older event of the same topic.
   */
  #lookAfter(position: number): Look {
    const { name: file } = this.#database;
    const rows: Row[] = [];
    let previous = position;
    try {
      for (const row of this.#select.iterate(position, ROWS_PER_STEP)) {
        const [sequence, , , , isDamaged] = row;
        if (isDamaged !== 0 || sequence <= previous) {
          throw damagedEvent(file, sequence, ': nothing from there on is pruned');
        }
        rows.push(row);
        previous = sequence;
      }
      return { rows };
    } catch (error) {
      const damage = storeError(error, file, `pruning after event ${previous} of`);
      if (damage.code !== 'STORE_CORRUPT') throw error;
      return { rows, damage };
    }
  }

  #waits(rule: number): boolean {
    return this.#rules[rule]!.untilConsumedBy !== undefined;
  }

  /** Whether the rule removes every event that it may: it waits for consumers and has no limit besides. */
  #isUnlimited(rule: number): boolean {
    const { maxAgeMs, maxEvents, maxBytes } = this.#rules[rule]!;
    return this.#waits(rule) && (maxAgeMs ?? maxEvents ?? maxBytes) === undefined;
  }

  #mayHaveWork(rule: number, kept: number): boolean {
    const { maxAgeMs, maxEvents, maxBytes } = this.#rules[rule]!;
    if (this.#topics.ruleEvents[rule] === 0 || kept <= this.#positions[rule]! + 1) return false;
    return (
      this.#isUnlimited(rule) ||
      maxAgeMs !== undefined ||
      this.#topics.ruleEvents[rule]! > (maxEvents ?? Number.POSITIVE_INFINITY) ||
      this.#topics.ruleBytes[rule]! > (maxBytes ?? Number.POSITIVE_INFINITY)
    );
  }

  /**
   * The rows that the rule removes, and how many rows it looked at. It stops at the first of its rows that it keeps,
   * because all later ones are newer. Nothing goes from the sequence `kept` on, nor what the gate holds back.
   */
  #doomed(
    rule: number,
    rows: readonly Row[],
    now: number,
    kept: number,
    gate: ArchiveGate | undefined,
  ): { rows: Row[]; looked: number } {
    const { maxAgeMs, maxEvents, maxBytes } = this.#rules[rule]!;
    const isUnlimited = this.#isUnlimited(rule);
    const before = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - maxAgeMs;
    let events = this.#topics.ruleEvents[rule]!;
    let bytes = this.#topics.ruleBytes[rule]!;
    const doomed: Row[] = [];
    for (const [looked, row] of rows.entries()) {
      if (!this.#topics.byId(row[2]).rules.includes(rule)) continue;
      const isOver =
        isUnlimited ||
        row[1] < before ||
        events > (maxEvents ?? Number.POSITIVE_INFINITY) ||
        bytes > (maxBytes ?? Number.POSITIVE_INFINITY);
      if (!isOver || row[0] >= kept) return { rows: doomed, looked };
      if (gate !== undefined && row[0] > gate.through) {
        gate.want(row[0]);
        return { rows: doomed, looked };
      }
      doomed.push(row);
      events--;
      bytes -= row[3];
    }
    return { rows: doomed, looked: rows.length };
  }

  #remove(rows: readonly Row[], head: number): void {
    try {
      this.#database.transaction(() => this.#removeInside(rows, head)).immediate();
    } catch (error) {
      this.#topics.rollback();
      this.#dead.rollback();
      throw error;
    }
    this.#topics.commit();
    this.#dead.commit();
    this.#prunedThrough = Math.max(this.#prunedThrough, rows[rows.length - 1]![0]);
    this.#prunedEvents += rows.length;
  }

  #removeInside(rows: readonly Row[], head: number): void {
    const touched = new Set<TopicEntry>();
    let first = 0;
    if (this.#dead.holds) for (const [sequence] of rows) this.#dead.keepRecord(sequence);
    this.#prunedIds.begin();
    this.#pruned.begin();
    for (const [at, [sequence, recordedAt, topic, bytes]] of rows.entries()) {
      const entry = this.#topics.byId(topic);
      const block = blockOf(entry.prunedThrough);
      if (entry.prunedThrough > 0 && block < blockOf(sequence)) {
        this.#deleteIndexRow.run(block, topic);
      }
      this.#topics.uncount(entry, sequence, bytes);
      touched.add(entry);
      const next = rows[at + 1];
      if (next !== undefined && next[0] === sequence + 1) continue;
      this.#prunedIds.keep(rows[first]![0], sequence, recordedAt);
      this.#pruned.add(rows[first]![0], sequence);
      this.#delete.run(rows[first]![0], sequence);
      first = at + 1;
    }
    for (const entry of touched) this.#topics.write(entry, head);
    this.#thin(blockOf(rows[0]![0] - 1), blockOf(rows[rows.length - 1]![0]));
    this.#remember(rows);
  }

  /**
   * Called when a removal has gone from one block to the next. Deletes the block's index by id and by field if too few
   * events are left for it to be worth its room.
   */
  #thin(block: number, next: number): void {
    if (block === next) return;
    const start = block * INDEX_BLOCK_EVENTS;
    const left = this.#countRows.get(start, start + INDEX_BLOCK_EVENTS, SPARSE_BLOCK_EVENTS) ?? 0;
    if (left >= SPARSE_BLOCK_EVENTS) return;
    this.#deleteIndexRow.run(block, IDS);
    deleteFieldRows(this.#database, block, block + 1);
  }

  /** Notes in `meta` what outlives the rows: the head, recorded time, and which rows are gone. */
  #remember(rows: readonly Row[]): void {
    const last = rows[rows.length - 1]!;
    const before = this.#meta.get(PRUNED_BLOCKS);
    const wholeBlocks = this.#pruned.end(before);
    this.#dead.finish();
    this.#meta.set({
      ...(last[0] > this.#prunedThrough && {
        [PRUNED_THROUGH]: last[0],
        [PRUNED_RECORDED_AT]: last[1],
      }),
      [PRUNED_EVENTS]: this.#prunedEvents + rows.length,
      [PRUNED_BLOCKS]: wholeBlocks,
      [PRUNED_IDS_COUNT]: this.#prunedIds.end(),
      ...this.#positionNumbers(),
    });
    if (wholeBlocks === before) return;
    this.#deleteIndexBlocks.run(wholeBlocks);
    deleteFieldRows(this.#database, 0, wholeBlocks);
  }
}

/**
 * The key in `meta` of a rule's position. It depends on the pattern alone: whatever the limits, topics that have
 * nothing left up to a position will never have.
 */
function positionKey({ pattern = '*' }: RetentionRule): string {
  return `retention:${pattern}`;
}
