import { compilePredicate } from '../protocol/filter.js';
import { matchesPattern } from '../protocol/topic.js';
import { EventRecordView } from '../record/event-record.js';
import { PAGE_PREFIX_BYTES, type Page, type PageRequest } from './page.js';

/** A stored event, for a page. */
export interface FoundRecord {
  readonly sequence: number;
  readonly recordedAt: number;
  /** The event record alone. */
  readonly bytes: Uint8Array;
}

/**
 * Makes a page of a log whose store has no index of its own: looks at each event and takes those that the request wants.
 * `records`: the log's events behind `request.after` up to `request.until`, the newest first where `request.reverse`
 * says so. `isAll`: they are all that the range has; otherwise the page is not done at their end.
 */
export function pageOf(
  records: Iterable<FoundRecord>,
  request: PageRequest,
  head: number,
  isAll = true,
): Page {
  const { reverse = false, limit, limitBytes = Number.POSITIVE_INFINITY } = request;
  const isWanted = judgeOf(request);
  const found: FoundRecord[] = [];
  let bytes = 0;
  let next = reverse ? Math.min(request.until ?? head, head) : Math.max(0, request.after);
  let done = isAll;
  for (const record of records) {
    if (found.length >= limit || bytes >= limitBytes) {
      done = false;
      break;
    }
    next = reverse ? record.sequence - 1 : record.sequence;
    if (!isWanted(record)) continue;
    found.push(record);
    bytes += record.bytes.length;
  }
  return { records: encode(found), count: found.length, next, done, head, prunedThrough: 0 };
}

function judgeOf(request: PageRequest): (record: FoundRecord) => boolean {
  const { filter, id, sinceMs, untilMs } = request;
  const view = new EventRecordView();
  const listed = request.sequences && new Set(request.sequences);
  const predicate = filter === undefined ? undefined : compilePredicate(filter);
  return ({ bytes, recordedAt, sequence }) => {
    if (listed?.has(sequence) === false) return false;
    if (sinceMs !== undefined && recordedAt < sinceMs) return false;
    if (untilMs !== undefined && recordedAt >= untilMs) return false;
    view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
    if (id !== undefined && view.id !== id) return false;
    const { topic } = view;
    if (filter?.topics.some((pattern) => matchesPattern(pattern, topic)) === false) return false;
    return predicate === undefined || predicate(view);
  };
}

/** See `decodePage`. */
function encode(found: readonly FoundRecord[]): ArrayBuffer {
  const length = found.reduce((sum, { bytes }) => sum + PAGE_PREFIX_BYTES + bytes.length, 0);
  const records = new ArrayBuffer(length);
  const target = Buffer.from(records);
  let at = 0;
  for (const { sequence, recordedAt, bytes } of found) {
    target.writeDoubleLE(sequence, at);
    target.writeDoubleLE(recordedAt, at + 8);
    target.set(bytes, at + PAGE_PREFIX_BYTES);
    at += PAGE_PREFIX_BYTES + bytes.length;
  }
  return records;
}
