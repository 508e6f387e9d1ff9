/**
 * The part of a subscription that lies in the past: finds where it starts in each shard, and reads until the shard can
 * take over. Reader threads read the pages, and a page is asked for only when the subscription has room: history takes
 * no time of the shards, and a slow subscriber no memory.
 */
import type { ResumeRequest } from '../../link/subscription-calls.js';
import { decodeCursor } from '../../protocol/cursor.js';
import { BusError } from '../../protocol/errors.js';
import { READ_PAGE_BYTES, READ_PAGE_EVENTS } from '../../protocol/limits/endpoint.js';
import { SHARD_CATCH_UP_EVENTS_MAX } from '../../protocol/limits/shards.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import { decodePage } from '../../store/page.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { HistorySource } from '../read/history-source.js';
import { RecordDecoder } from '../read/record-decoder.js';
import { NewestReader } from './newest-reader.js';
import type { ShardProgress } from './shard-progress.js';
import { startPositions } from './start-positions.js';
import type { BusSubscription } from './subscription.js';

/** The page of a subscription that has ended. */
const NOTHING = Promise.resolve(undefined);
/**
 * The shard takes over at this distance from its head: half of what it accepts, because the head moves on meanwhile.
 */
const HAND_OVER_EVENTS = SHARD_CATCH_UP_EVENTS_MAX / 2;

/** The part of a shard's link that history uses: the head of its log and the call that hands a subscription over. */
type HistoryShard = Pick<EndpointEnd, 'shard'> & {
  readonly control: { readonly head: number; readonly archiveLeftThrough: number };
  call(name: 'resume', request: () => ResumeRequest): Promise<null>;
};

export class HistoryReader {
  readonly #source: HistorySource;
  readonly #ends: readonly HistoryShard[];
  readonly #newest: NewestReader;

  constructor(source: HistorySource, ends: readonly HistoryShard[]) {
    this.#source = source;
    this.#ends = ends;
    this.#newest = new NewestReader(source);
  }

  /** The position per shard where the subscription starts; notifies it of gaps. */
  positions(subscription: BusSubscription, from: SubscribeFrom): Promise<readonly number[]> {
    const heads = this.#ends.map(({ control }) => control.head);
    return startPositions(this.#source, heads, {
      filter: subscription.filter,
      from,
      asker: subscription.asker,
      isOver: () => subscription.ended,
      onGap: (gap) => subscription.notifyGap(gap),
    });
  }

  /**
   * Reads on from `progress.received` until the shard takes over, the subscription ends or reading fails.
   * `notifyFirst`: notify also of events that were pruned before the reading began; false for a subscription that
   * starts at the oldest event left. `onBegun` is called when any later pruning is noticed as a gap.
   */
  async read(
    subscription: BusSubscription,
    progress: ShardProgress,
    notifyFirst: boolean,
    onBegun: () => void = () => {},
  ): Promise<void> {
    let notifyGap = notifyFirst;
    const end = this.#ends[progress.shard]!;
    if (progress.beginsWithNewest) {
      onBegun();
      await this.#newest.read(subscription, progress, end.control.head);
      notifyGap = true;
    }
    const decoder = new RecordDecoder(subscription.asker);
    while (!subscription.ended) {
      const { head, archiveLeftThrough } = end.control;
      const isNear = head - progress.received <= HAND_OVER_EVENTS;
      // A shard reads its log only: what has left the log for the archive is read here.
      if (isNear && progress.received >= Math.min(head, archiveLeftThrough)) {
        // Set before the call: the shard's events may arrive before its answer.
        progress.mode = 'shard';
        await handOver(end, subscription, progress, notifyGap);
        onBegun();
        return;
      }
      await subscription.whenRoom(progress);
      if (subscription.ended) return;
      const { asker, filter } = subscription;
      const page = await asker.readInTurn(READ_PAGE_BYTES, () => {
        if (subscription.ended) return NOTHING;
        const request = {
          filter,
          after: progress.received,
          limit: Math.min(READ_PAGE_EVENTS, Math.max(1, subscription.window >> 1)),
          limitBytes: READ_PAGE_BYTES,
        };
        return this.#source.page(progress.shard, request, asker);
      });
      if (page === undefined || subscription.ended) return;
      // The filter was updated meanwhile: the page was made for the old one.
      if (filter !== subscription.filter) continue;
      const { prunedThrough } = page;
      if (notifyGap && prunedThrough > progress.received) {
        const from = progress.received + 1;
        subscription.notifyGap({
          shard: progress.shard,
          from,
          to: prunedThrough,
          reason: 'pruned',
        });
      }
      notifyGap = true;
      asker.found(page.count, page.records.byteLength);
      decodePage(page, ({ bytes, offset, length, sequence }) => {
        const event = decoder.decode(bytes, offset, progress.shard, sequence);
        subscription.pushHistory(progress, event, length);
      });
      progress.received = Math.max(progress.received, page.next);
      onBegun();
      subscription.flush();
    }
  }
}

/** The shard goes on from here, or the thread that replaces it: `Placement` puts the subscription back with its position. */
async function handOver(
  end: HistoryShard,
  { number }: BusSubscription,
  progress: ShardProgress,
  notifyGap: boolean,
): Promise<void> {
  try {
    await end.call('resume', () => ({
      subscription: number,
      position: progress.received,
      notifyGap,
    }));
  } catch (error) {
    if (!(error instanceof BusError && error.code === 'SHARD_RESTARTED')) throw error;
  }
}

/** Throws at once for a cursor that cannot be decoded. @throws BusError `CURSOR_INVALID` */
export function checkFrom(from: SubscribeFrom): void {
  if (typeof from === 'string') return;
  if ('after' in from) decodeCursor(from.after);
}
