import { EventRecordView } from '../../record/event-record.js';
import { PAGE_PREFIX_BYTES, type Page } from '../../store/page.js';

const view = new EventRecordView();

/** The page without the events that have expired at a time, ms since 1970; the same object if none has. */
export function withoutExpired(page: Page, now: number): Page {
  const bytes = Buffer.from(page.records);
  let from = 0;
  let kept = 0;
  let count = 0;
  while (from < bytes.length) {
    const end = from + PAGE_PREFIX_BYTES + view.wrap(bytes, from + PAGE_PREFIX_BYTES).length;
    if (!view.isExpired(now)) {
      if (kept < from) bytes.copy(bytes, kept, from, end);
      kept += end - from;
      count++;
    }
    from = end;
  }
  if (kept === bytes.length) return page;
  return { ...page, records: page.records.slice(0, kept), count };
}
