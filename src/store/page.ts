import type { Filter } from '../protocol/filter.js';
import { EventRecordView } from '../record/event-record.js';
import type { StoredRecord } from './stored-record.js';

/** A request to read one shard's log. */
export interface PageRequest {
  /** Default: every event. */
  readonly filter?: Filter;
  /** Only events with this id. */
  readonly id?: string;
  /**
   * Only the events of these sequences, which ascend; those that are not there any more are left out. The request has no
   * filter, id or times besides. Default: all of the range.
   */
  readonly sequences?: readonly number[];
  /** After this sequence (exclusive). */
  readonly after: number;
  /** Up to this sequence (inclusive). Default: the head. */
  readonly until?: number;
  /** The log is known to reach this sequence; one that does not has lost events. */
  readonly headLeast?: number;
  /** Recorded at or after, ms since 1970. */
  readonly sinceMs?: number;
  /** Recorded before, ms since 1970. */
  readonly untilMs?: number;
  readonly limit: number;
  /** A page ends with the record that reaches this size. */
  readonly limitBytes?: number;
  /** Newest first. */
  readonly reverse?: boolean;
  /** The page ends, however little it has found, soon after so many ms. Default: the store's own bound, which no request raises. */
  readonly timeMs?: number;
}

/**
 * The events that one look into a log found. A page may be short, even empty, and not the last one: read on from `next`
 * until `done`.
 */
export interface Page {
  /** Per event: sequence and recorded time (float64, little endian), then its record. See `decodePage`. */
  readonly records: ArrayBuffer;
  readonly count: number;
  /**
   * Ask for `after: next` (in reverse: `until: next`) to go on. Everything before it, in reading order, has been looked
   * at.
   */
  readonly next: number;
  /** Nothing is left within the request. */
  readonly done: boolean;
  readonly head: number;
  /** Events up to this sequence that the request asks for were lost before they could be read; 0: none. */
  readonly prunedThrough: number;
  /**
   * At least `prunedThrough`: events up to this sequence that the request asks for are gone, also those of which nobody
   * is told, because newer ones of their topics have replaced them. Default: `prunedThrough`.
   */
  readonly goneThrough?: number;
}

/** Bytes before each record in a page: sequence and recorded time. */
export const PAGE_PREFIX_BYTES = 16;

/** Goes through the events of a page, or through records that lie as in one; at first it is before the first of them. */
export class PageRecords implements StoredRecord {
  readonly bytes: Buffer;
  sequence = 0;
  recordedAt = 0;
  offset = 0;
  length = 0;
  readonly #view = new EventRecordView();
  #end = 0;

  constructor(records: ArrayBuffer | Buffer) {
    this.bytes = records instanceof ArrayBuffer ? Buffer.from(records) : records;
  }

  /** Moves to the next one; false if there is none. */
  advance(): boolean {
    const { bytes } = this;
    const at = this.#end;
    if (at >= bytes.length) return false;
    this.sequence = bytes.readDoubleLE(at);
    this.recordedAt = bytes.readDoubleLE(at + 8);
    this.offset = at + PAGE_PREFIX_BYTES;
    this.length = this.#view.wrap(bytes, this.offset).length;
    this.#end = this.offset + this.length;
    return true;
  }
}

/** Calls `visit` for each event of a page, in its order. The record object is reused. */
export function decodePage(page: Page, visit: (record: StoredRecord) => void): void {
  eachRecord(Buffer.from(page.records), visit);
}

/** As `decodePage`, of records that lie as in a page. */
export function eachRecord(bytes: Buffer, visit: (record: StoredRecord) => void): void {
  const records = new PageRecords(bytes);
  while (records.advance()) visit(records);
}
