import { compilePredicate } from '../../protocol/filter.js';
import { matchesPattern } from '../../protocol/topic.js';
import { EventRecordView } from '../../record/event-record.js';
import { PAGE_PREFIX_BYTES, type Page, type PageRequest } from '../../store/page.js';
import type { Entry } from './messages.js';
import type { Stream } from './stream.js';

/** One look into a stream, as `StoreHistory.page` promises it. */
export function pageOf(stream: Stream, request: PageRequest): Page {
  const { reverse = false, limit, limitBytes = Number.POSITIVE_INFINITY } = request;
  const after = Math.max(0, request.after);
  const until = Math.min(request.until ?? stream.head, stream.head);
  const wanted = stream.entries.slice(after, until);
  if (reverse) wanted.reverse();
  const isWanted = judgeOf(request);
  const found: Entry[] = [];
  let bytes = 0;
  let next = reverse ? until : after;
  let done = true;
  for (const entry of wanted) {
    if (found.length >= limit || bytes >= limitBytes) {
      done = false;
      break;
    }
    next = reverse ? entry.sequence - 1 : entry.sequence;
    if (!isWanted(entry)) continue;
    found.push(entry);
    bytes += entry.bytes.length;
  }
  const { head } = stream;
  return { records: encode(found), count: found.length, next, done, head, prunedThrough: 0 };
}

function judgeOf({ filter, id, sinceMs, untilMs }: PageRequest): (entry: Entry) => boolean {
  const view = new EventRecordView();
  const predicate = filter === undefined ? undefined : compilePredicate(filter);
  return ({ bytes, recordedAt }) => {
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
function encode(entries: readonly Entry[]): ArrayBuffer {
  const length = entries.reduce((sum, { bytes }) => sum + PAGE_PREFIX_BYTES + bytes.length, 0);
  const records = new ArrayBuffer(length);
  const target = Buffer.from(records);
  let at = 0;
  for (const { sequence, recordedAt, bytes } of entries) {
    target.writeDoubleLE(sequence, at);
    target.writeDoubleLE(recordedAt, at + 8);
    target.set(bytes, at + PAGE_PREFIX_BYTES);
    at += PAGE_PREFIX_BYTES + bytes.length;
  }
  return records;
}
