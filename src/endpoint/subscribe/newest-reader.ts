/**
 * The beginning of a subscription `from: 'latest'` in one shard: the newest event of each topic up to a sequence, in the
 * order of the log. Everything behind that sequence comes from history afterwards, so a topic that gets an event
 * meanwhile is not missed and not repeated. The subscription's position moves with these events, as it does in history.
 */
import { compilePredicate } from '../../protocol/filter.js';
import { READ_PAGE_BYTES, READ_PAGE_EVENTS } from '../../protocol/limits/endpoint.js';
import { EventRecordView } from '../../record/event-record.js';
import { decodePage } from '../../store/page.js';
import type { HistorySource } from '../read/history-source.js';
import { newestPages } from '../read/newest-events.js';
import { RecordDecoder } from '../read/record-decoder.js';
import type { ShardProgress } from './shard-progress.js';
import type { BusSubscription } from './subscription.js';

export class NewestReader {
  readonly #source: HistorySource;

  constructor(source: HistorySource) {
    this.#source = source;
  }

  /** Ends with `progress.received` at `until`, or when the subscription has ended. */
  async read(subscription: BusSubscription, progress: ShardProgress, until: number): Promise<void> {
    // A changed filter begins again behind what it has had.
    while (!(await this.#readWith(subscription, progress, until)));
    if (subscription.ended) return;
    progress.beginsWithNewest = false;
    progress.received = Math.max(progress.received, until);
  }

  /** Reads with the filter that the subscription has now; false if it was changed meanwhile. */
  async #readWith(
    subscription: BusSubscription,
    progress: ShardProgress,
    until: number,
  ): Promise<boolean> {
    const { asker, filter } = subscription;
    const { shard, received: after } = progress;
    const decoder = new RecordDecoder(asker);
    const view = new EventRecordView();
    const predicate = compilePredicate(filter);
    const pages = newestPages({
      source: this.#source,
      shard,
      end: this.#source.lasts(shard),
      range: { patterns: filter.topics, after, until, reverse: false, asker },
      pageEvents: Math.min(READ_PAGE_EVENTS, Math.max(1, subscription.window >> 1)),
      roomBytes: READ_PAGE_BYTES,
    });
    await subscription.whenRoom(progress);
    if (subscription.ended) return true;
    for await (const { page, next } of pages) {
      if (subscription.ended) return true;
      if (filter !== subscription.filter) return false;
      asker.found(page.count, page.records.byteLength);
      decodePage(page, ({ bytes, offset, length, sequence }) => {
        if (predicate !== undefined && !predicate(view.wrap(bytes, offset))) return;
        const event = decoder.decode(bytes, offset, shard, sequence);
        subscription.pushHistory(progress, event, length);
      });
      progress.received = Math.max(progress.received, next);
      subscription.flush();
      await subscription.whenRoom(progress);
      if (subscription.ended) return true;
    }
    return filter === subscription.filter;
  }
}
