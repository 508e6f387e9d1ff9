import { BusError } from '../../../protocol/errors.js';
import { PAGE_PREFIX_BYTES, type Page, type PageRequest } from '../../page.js';
import type { Database, Statement } from '../driver/driver.js';
import { storeError } from '../driver/store-errors.js';
import { type FieldQuery, FieldSearch, fieldQuery, intersection } from '../fields/field-search.js';
import type { RecentValues } from '../fields/recent-values.js';
import { BlockIndex } from '../index/block-index.js';
import { IdIndexReader } from '../index/id-index.js';
import { goneThroughSql } from '../index/topic-rows.js';
import { type TopicSelection, TopicSelector } from '../index/topic-selection.js';
import { FORGOTTEN_THROUGH } from '../index/topic-table.js';
import type { EventRow } from '../rows/event-row.js';
import { NameReader } from '../rows/names.js';
import { RecordBuffer } from '../rows/record-buffer.js';
import { RowDecoder } from '../rows/row-decoder.js';
import { RowFilter } from '../rows/row-filter.js';
import { RowReader } from '../rows/row-reader.js';
import { MetaTable, PRUNED_THROUGH } from '../tables/meta-table.js';
import { blockOf, INDEX_BLOCK_EVENTS } from '../tables/tables.js';
import { untilPayloadsAreThere } from './fresh-snapshot.js';
import { PositionAt } from './position-at.js';

/** Reading a page takes no longer than this, so that no checkpoint waits for it. */
const PAGE_TIME_MS = 25;
const CLOCK_INTERVAL_ROWS = 64;
const BUFFER_BYTES = 64 * 1024;
const PAGE_BYTES_MAX = 16 * 1024 * 1024;
/** If more than one in this many rows of a range is wanted, and not only a few, the whole range is read in one sweep. */
const SWEEP_SHARE = 4;
/**
 * Where no index is written yet, a range begins with so many events, and each next one has so many times more: many
 * requests are served by the newest events, or by the first.
 */
const SPAN_EVENTS = 256;
const SPAN_GROWTH = 4;
/** So few events are read sooner than the index by topic. */
const FEW_EVENTS = 64;

type PrunedNumbers = [lost: number | null, gone: number | null];
const NOTHING_PRUNED = { lost: 0, gone: 0 };

interface Scan {
  readonly request: PageRequest;
  readonly filter: RowFilter;
  readonly selection: TopicSelection | undefined;
  readonly fields: FieldQuery | undefined;
  readonly after: number;
  readonly until: number;
  readonly deadline: number;
  count: number;
  looked: number;
  /** The sequence at which the scan stopped early. */
  stoppedAt: number | undefined;
}

/** Where the next page goes on behind this event. */
function stopAt({ request }: Scan, sequence: number): number {
  return request.reverse ? sequence - 1 : sequence;
}

function isBefore(sequence: number, other: number, reverse: boolean): boolean {
  return reverse ? sequence > other : sequence < other;
}

/** Reads pages over one connection, a reader's or the writer's own (outside a batch). */
export class PageReader {
  readonly #database: Database;
  readonly #file: string;
  readonly #names: NameReader;
  readonly #selector: TopicSelector;
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #position: PositionAt;
  readonly #meta: MetaTable;
  readonly #index: BlockIndex;
  readonly #ids: IdIndexReader;
  readonly #fields: FieldSearch;
  readonly #lastSequence: Statement<[], number | null>;
  readonly #prunedOf: Statement<[number], PrunedNumbers>;
  readonly #prunedOfAll: Statement<[], PrunedNumbers>;

  /** `recent`: where the log's thread shares its memory with this one. */
  constructor(database: Database, file: string, shard: number, recent?: RecentValues) {
    this.#database = database;
    this.#file = file;
    this.#names = new NameReader(database, 'names');
    this.#selector = new TopicSelector(database);
    this.#rows = new RowReader(database);
    const topics = new NameReader(database, 'topics');
    const decoder = new RowDecoder(database, shard, this.#names, (id) => topics.name(id));
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES, PAGE_PREFIX_BYTES);
    this.#position = new PositionAt(database, this.#rows.pruned);
    this.#meta = new MetaTable(database);
    this.#index = new BlockIndex(database, this.#rows.pruned);
    this.#ids = new IdIndexReader(database);
    this.#fields = new FieldSearch(database, recent);
    const gone = goneThroughSql(database);
    this.#prunedOf = database
      .prepare<[number], PrunedNumbers>(`SELECT pruned_through, ${gone} FROM topics WHERE id = ?`)
      .raw();
    this.#prunedOfAll = database
      .prepare<[], PrunedNumbers>(`SELECT max(pruned_through), max(${gone}) FROM topics`)
      .raw();
    this.#lastSequence = database
      .prepare<[], number | null>('SELECT max(sequence) FROM events')
      .pluck();
  }

  /** @throws BusError `STORE_CORRUPT` naming the event whose checksum fails */
  page(request: PageRequest): Page {
    return untilPayloadsAreThere(() => this.#inSnapshot(() => this.#page(request)));
  }

  /** The last sequence recorded before a time in ms since 1970. */
  positionAt(timeMs: number): number {
    return this.#inSnapshot(() => this.#position.at(timeMs));
  }

  #inSnapshot<T>(work: () => T): T {
    if (this.#database.inTransaction) {
      throw new BusError('STORE_FAILED', `${this.#file}: a page cannot be read inside a batch`);
    }
    try {
      return this.#database.transaction(work).deferred();
    } catch (error) {
      throw storeError(error, this.#file, 'reading');
    }
  }

  #page(request: PageRequest): Page {
    const { filter, sinceMs, untilMs, reverse = false } = request;
    const prunedThrough = this.#meta.get(PRUNED_THROUGH);
    const head = Math.max(this.#lastSequence.get() ?? 0, prunedThrough);
    this.#assertReaches(head, request.headLeast ?? 0);
    let after = Math.max(0, request.after);
    let until = Math.min(request.until ?? head, head);
    if (sinceMs !== undefined) after = Math.max(after, this.#position.at(sinceMs));
    if (untilMs !== undefined) until = Math.min(until, this.#position.at(untilMs));
    const scan: Scan = {
      request,
      filter: new RowFilter(this.#names, filter),
      selection: filter === undefined ? undefined : this.#selector.select(filter.topics),
      fields: fieldQuery(filter),
      after,
      until,
      deadline: performance.now() + Math.min(request.timeMs ?? PAGE_TIME_MS, PAGE_TIME_MS),
      count: 0,
      looked: 0,
      stoppedAt: request.limit > 0 ? undefined : reverse ? until : after,
    };
    this.#records.clear();
    this.#index.refresh();
    this.#fields.refresh();
    if (scan.stoppedAt === undefined) {
      if (request.sequences !== undefined) this.#visitListed(scan, request.sequences);
      else if (scan.selection?.ids.size !== 0) this.#scan(scan);
    }
    const end = reverse ? Math.min(after, until) : Math.max(after, until);
    const next = scan.stoppedAt ?? end;
    const { bytes, length } = this.#records;
    const records = new ArrayBuffer(length);
    bytes.copy(new Uint8Array(records), 0, 0, length);
    const done = reverse ? next <= after : next >= until;
    const { lost, gone } =
      prunedThrough > after ? this.#prunedThrough(scan.selection) : NOTHING_PRUNED;
    return {
      records,
      count: scan.count,
      next,
      done,
      head,
      prunedThrough: lost > after ? lost : 0,
      goneThrough: gone > after ? gone : 0,
    };
  }

  #assertReaches(head: number, least: number): void {
    if (head >= least) return;
    const reason = `events ${head + 1} to ${least} are missing`;
    throw this.#corrupt(head + 1, reason);
  }

  #corrupt(sequence: number, reason: string): BusError {
    const details = { file: this.#file, sequence, reason };
    return new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, { details });
  }

  /** The last sequences that were pruned from any of the topics: those told as lost, and all. */
  #prunedThrough(selection: TopicSelection | undefined): typeof NOTHING_PRUNED {
    const isAny = selection === undefined || selection.hasUnknown;
    let lost = isAny ? this.#meta.get(FORGOTTEN_THROUGH) : 0;
    let gone = lost;
    const add = (numbers: PrunedNumbers | undefined): void => {
      lost = Math.max(lost, numbers?.[0] ?? 0);
      gone = Math.max(gone, numbers?.[1] ?? 0);
    };
    if (selection === undefined || selection.isAll) add(this.#prunedOfAll.get());
    else for (const id of selection.ids) add(this.#prunedOf.get(id));
    return { lost, gone };
  }

  /** Goes through the range block by block, or in shorter pieces where there is no index. */
  #scan(scan: Scan): void {
    const { after, until } = scan;
    const reverse = scan.request.reverse ?? false;
    let low = after;
    let high = until;
    let span = SPAN_EVENTS;
    while (low < high && scan.stoppedAt === undefined) {
      const block = blockOf(reverse ? high : low + 1);
      let start = Math.max(low, block * INDEX_BLOCK_EVENTS - 1);
      let end = Math.min(high, (block + 1) * INDEX_BLOCK_EVENTS - 1);
      if (!this.#index.isWritten(block)) {
        if (reverse) start = Math.max(start, end - span);
        else end = Math.min(end, start + span);
        span *= SPAN_GROWTH;
      }
      this.#scanBlock(scan, block, start, end);
      if (reverse) high = start;
      else low = end;
      const isOver = performance.now() > scan.deadline;
      if (isOver && scan.stoppedAt === undefined) scan.stoppedAt = reverse ? high : low;
    }
  }

  #scanBlock(scan: Scan, block: number, after: number, until: number): void {
    const reverse = scan.request.reverse ?? false;
    const { selection } = scan;
    const { id } = scan.request;
    if (id !== undefined) {
      const found = this.#ids.sequences(block, after, until, id);
      this.#visitAll(scan, reverse ? found.reverse() : found, false);
      return;
    }
    const ofFields = this.#ofFields(scan, block, after, until);
    if (ofFields !== undefined) {
      this.#visitAll(scan, reverse ? ofFields.reverse() : ofFields, false);
      return;
    }
    if (selection === undefined || selection.isAll) {
      this.#rows.range(after, until, reverse, (row) => this.#visit(scan, row));
      return;
    }
    const { ids } = selection;
    const sequences = this.#index.sequences(block, after, until, ids);
    if (reverse) sequences.reverse();
    const isMany = Math.min(sequences.length, scan.request.limit - scan.count) > FEW_EVENTS;
    if (isMany && sequences.length * SWEEP_SHARE > until - after) {
      this.#sweep(scan, sequences, after, until);
      return;
    }
    this.#visitAll(scan, sequences, true);
  }

  /** The few sequences that may be wanted, by the index by field; `undefined` if it does not know or they are many. */
  #ofFields(scan: Scan, block: number, after: number, until: number): number[] | undefined {
    const { fields, selection } = scan;
    if (fields === undefined) return undefined;
    const found = this.#fields.sequences(block, after, until, fields);
    if (found === undefined || found.length * SWEEP_SHARE > until - after) return undefined;
    if (found.length <= FEW_EVENTS || selection === undefined || selection.isAll) return found;
    return intersection(found, this.#index.sequences(block, after, until, selection.ids));
  }

  /**
   * Visits the sequences that an index names, in the order of the request, until the page ends. The index by topic is
   * exact; the others also name events that are not wanted.
   */
  #visitAll(scan: Scan, sequences: readonly number[], isExact: boolean): void {
    const { id } = scan.request;
    const ids = scan.selection?.isAll === false ? scan.selection.ids : undefined;
    for (const sequence of sequences) {
      if (ids !== undefined && !isExact && this.#isElsewhere(sequence, ids)) {
        if (this.#isTimeUp(scan, sequence)) return;
        continue;
      }
      const row = this.#rows.one(sequence);
      // An index may still name a pruned event.
      if (row === undefined) continue;
      const isOfTopic = ids?.has(row[2]) ?? true;
      if (isExact && !isOfTopic) throw this.#misplaced(row);
      const isWanted = isOfTopic && (id === undefined || row[6] === id);
      // The row may lack the id or be on another topic only because it is damaged.
      if (!isWanted) this.#records.check(row);
      if (!this.#visit(scan, row, isWanted)) return;
    }
  }

  /**
   * Whether the event is on none of the topics, by the head of its row: who may not read those events must not learn by
   * the time of an answer that there are some, and how large they are.
   */
  #isElsewhere(sequence: number, topics: ReadonlySet<number>): boolean {
    const topic = this.#rows.topicOf(sequence);
    return topic !== undefined && !topics.has(topic);
  }

  /** Visits the events that a request lists, without a look into any index. */
  #visitListed(scan: Scan, sequences: readonly number[]): void {
    const { after, until } = scan;
    const wanted = scan.request.reverse ? sequences.toReversed() : sequences;
    for (const sequence of wanted) {
      if (sequence <= after || sequence > until) continue;
      const row = this.#rows.one(sequence);
      if (row !== undefined && !this.#visit(scan, row)) return;
    }
  }

  /** Reads all rows of the range. The rows on wanted topics must be exactly those that the index names. */
  #sweep(scan: Scan, sequences: readonly number[], after: number, until: number): void {
    const reverse = scan.request.reverse ?? false;
    const { ids } = scan.selection!;
    let at = 0;
    this.#rows.range(after, until, reverse, (row) => {
      const [sequence, , topic] = row;
      // The index's sequences without a row were pruned, or `range` would have thrown.
      while (at < sequences.length && isBefore(sequences[at]!, sequence, reverse)) at++;
      const isWanted = ids.has(topic);
      if (isWanted !== (sequences[at] === sequence)) throw this.#misplaced(row);
      return this.#visit(scan, row, isWanted);
    });
  }

  #misplaced([sequence]: EventRow): BusError {
    return this.#corrupt(sequence, `event ${sequence} is not on the topic that the index names`);
  }

  /** Takes the row if it fits; false when the page is full or its time is up. */
  #visit(scan: Scan, row: EventRow, isWanted = true): boolean {
    const { request } = scan;
    const limitBytes = Math.min(request.limitBytes ?? PAGE_BYTES_MAX, PAGE_BYTES_MAX);
    if (!isWanted) {
      // The index agrees that the row is not wanted.
    } else if (!scan.filter.accepts(row)) {
      // The filter may reject the row only because the row is damaged.
      this.#records.check(row);
    } else {
      this.#records.add(row);
      const { bytes, offset } = this.#records;
      bytes.writeDoubleLE(row[0], offset - PAGE_PREFIX_BYTES);
      bytes.writeDoubleLE(row[1], offset - PAGE_PREFIX_BYTES + 8);
      scan.count++;
    }
    if (this.#isTimeUp(scan, row[0])) return false;
    if (scan.count < request.limit && this.#records.length < limitBytes) return true;
    scan.stoppedAt = stopAt(scan, row[0]);
    return false;
  }

  /** Counts one more event that was looked at. True, and the scan stops behind it, where the time of the page is up. */
  #isTimeUp(scan: Scan, sequence: number): boolean {
    const isUp = ++scan.looked % CLOCK_INTERVAL_ROWS === 0 && performance.now() > scan.deadline;
    if (isUp) scan.stoppedAt = stopAt(scan, sequence);
    return isUp;
  }
}
