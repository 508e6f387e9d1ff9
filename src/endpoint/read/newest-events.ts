/**
 * The newest event of each topic of one shard: the shard tells where they are, and the readers of history fetch them.
 * Nothing of the log is scanned.
 */
import { READ_PAGE_BYTES, READ_PAGE_EVENTS } from '../../protocol/limits/endpoint.js';
import type { Page } from '../../store/page.js';
import { assertIsThere } from '../asker.js';
import type { HistorySource } from './history-source.js';
import { type LastsRange, type LastsShard, lastSequences } from './last-sequences.js';

type Pages = Pick<HistorySource, 'page'>;

/** Events that were fetched together, in the order of the range. */
export interface NewestPage {
  readonly page: Page;
  /** All topics whose last event is before or at this sequence, in the order of the range, were looked at. */
  readonly next: number;
  /**
   * Topics may be missing, which have events behind the head at which the reading began: their events were removed since
   * the shard told of them, or they left the range upwards before the shard was asked for this part of it.
   */
  readonly lacksEvents: boolean;
}

export interface NewestOf {
  readonly source: Pages;
  readonly shard: number;
  readonly end: LastsShard;
  readonly range: LastsRange;
  /** The most events of a page; read anew for each. */
  readonly pageEvents: number;
  /** For how many bytes there has to be room before a page is asked for; 0: its events are not held. */
  readonly roomBytes: number;
  /** How many sequences are kept at once. Default `LATEST_TOPICS_HELD`. */
  readonly held?: number;
}

/** The newest events of the topics whose last event lies in the range. */
export async function* newestPages(newest: NewestOf): AsyncGenerator<NewestPage> {
  const { range, end, held } = newest;
  let isFirst = true;
  for await (const sequences of lastSequences(end, range, held)) {
    const mayLack = range.reverse && !isFirst;
    isFirst = false;
    for (let at = 0; at < sequences.length; ) {
      const size = Math.min(newest.pageEvents, READ_PAGE_EVENTS);
      const listed = [...sequences.subarray(at, at + size)];
      const page = await pageOfListed(newest, listed);
      // A page of large events ends early.
      const looked = page.done ? listed.length : countUpTo(listed, page.next, range.reverse);
      at += looked;
      yield { page, next: listed[looked - 1] ?? 0, lacksEvents: mayLack || page.count < looked };
    }
  }
}

function pageOfListed(
  { source, shard, range, roomBytes }: NewestOf,
  listed: number[],
): Promise<Page> {
  const { asker, reverse } = range;
  const least = Math.min(listed[0]!, listed[listed.length - 1]!);
  const greatest = Math.max(listed[0]!, listed[listed.length - 1]!);
  const request = {
    sequences: reverse ? listed.toReversed() : listed,
    after: least - 1,
    until: greatest,
    limit: listed.length,
    limitBytes: READ_PAGE_BYTES,
    reverse,
  };
  return asker.readInTurn(roomBytes, () => {
    assertIsThere(asker);
    return source.page(shard, request, asker);
  });
}

/** How many of the listed sequences come before or at `next`; in reverse, a page stops right below an event. */
function countUpTo(listed: readonly number[], next: number, reverse: boolean): number {
  return listed.filter((sequence) => (reverse ? sequence > next : sequence <= next)).length;
}
