/** Runs queries: reads each shard's history in pages and merges the events by the time at which they were recorded. */
import type { Event } from '../../protocol/event.js';
import { isExpired } from '../../protocol/expiry.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import {
  LATEST_TOPICS_HELD,
  READ_PAGE_BYTES,
  READ_PAGE_EVENTS,
} from '../../protocol/limits/endpoint.js';
import { PagePosition } from '../../protocol/page-position.js';
import { decodePage } from '../../store/page.js';
import { type Asker, assertIsThere, ITSELF } from '../asker.js';
import type { HistorySource } from './history-source.js';
import type { LastsShard } from './last-sequences.js';
import { latestJudge } from './latest-judge.js';
import { newestPages } from './newest-events.js';
import { defined, limitOf, type ParsedQuery } from './parse-query.js';
import { RecordDecoder } from './record-decoder.js';

const PAGE_GROWTH = 4;

interface Found {
  readonly event: Event;
  readonly recordedAt: number;
}

/** The part of one shard's log that a query reads. */
interface ShardRange {
  readonly shard: number;
  readonly after: number;
  readonly until: number;
  readonly pageEvents: number;
  readonly asker: Asker;
}

/** A shard, its last committed sequence, and the call that tells of the newest events. */
type QueriedShard = LastsShard & { readonly control: { readonly head: number } };

export class QueryRunner {
  readonly #source: HistorySource;
  readonly #ends: readonly QueriedShard[];
  readonly #epoch: string;

  /** The logs of the shards are of `epoch`. */
  constructor(source: HistorySource, ends: readonly QueriedShard[], epoch: string) {
    this.#source = source;
    this.#ends = ends;
    this.#epoch = epoch;
  }

  /** @throws BusError `QUERY_INVALID` for a limit over 10,000 */
  async query(query: ParsedQuery): Promise<Event[]> {
    const limit = limitOf(query);
    const events: Event[] = [];
    for await (const event of this.read({ ...query, limit })) events.push(event);
    return events;
  }

  /** The first event that `read` yields. */
  async first(query: ParsedQuery): Promise<Event | undefined> {
    for await (const event of this.read(query, ITSELF, 1)) return event;
    return undefined;
  }

  /** `pageEvents`: how many events a page may have, until one has none that is wanted. */
  async *read(
    query: ParsedQuery,
    asker: Asker = ITSELF,
    pageEvents = Math.min(query.limit ?? READ_PAGE_EVENTS, READ_PAGE_EVENTS),
  ): AsyncGenerator<Event> {
    const heads = this.#ends.map(({ control }) => control.head);
    const { after: cursor } = query;
    const from = cursor === undefined ? undefined : await this.#source.resolveCursor(cursor);
    const positions = from?.positions ?? heads.map(() => 0);
    // Newest first, no position separates the events already yielded from the others.
    const position = query.reverse
      ? undefined
      : new PagePosition({ epoch: this.#epoch, positions });
    const sources = shardsOf(query.filter, {
      shards: heads.length,
      segments: this.#source.segments,
    }).map((shard) => {
      const after = positions[shard] ?? 0;
      const until = heads[shard]!;
      const range = { shard, after, until, pageEvents, asker };
      return query.latest ? this.#readLatest(query, range) : this.#readShard(query, range);
    });
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    for await (const { event } of merge(sources, query.reverse)) {
      if (event.expiresAt !== undefined && this.#isExpired(event)) continue;
      yield position?.mark(event) ?? event;
      if (--left === 0) return;
    }
  }

  /** An event may expire between its page's arrival and its turn. */
  #isExpired(event: Event): boolean {
    return isExpired(event, this.#source.expiryNow(event.shard));
  }

  async *#readShard(
    query: ParsedQuery,
    { shard, pageEvents, asker, ...range }: ShardRange,
  ): AsyncGenerator<Found> {
    const { filter, id, sinceMs, untilMs, reverse } = query;
    const decoder = new RecordDecoder(asker);
    let { after, until } = range;
    let limit = pageEvents;
    while (after < until) {
      const request = {
        filter,
        after,
        until,
        ...defined({ id, sinceMs, untilMs }),
        limit,
        limitBytes: READ_PAGE_BYTES,
        reverse,
      };
      const page = await asker.readInTurn(0, () => {
        assertIsThere(asker);
        return this.#source.page(shard, request, asker);
      });
      const found: Found[] = [];
      decodePage(page, ({ bytes, offset, sequence, recordedAt }) => {
        found.push({ event: decoder.decode(bytes, offset, shard, sequence), recordedAt });
      });
      yield* found;
      if (page.done) return;
      // Thousands of events may have expired that are not removed yet.
      if (found.length === 0) limit = morePageEvents(limit);
      if (reverse) until = page.next;
      else after = page.next;
    }
  }

  /**
   * The newest event of each topic. The shard is not held to `until`, the head at the beginning: a topic that got an event
   * before the shard was asked would be missing. Where an event was removed after the shard had told of it, its topic may
   * have a newer one behind `until`, so the range behind `until` is read too.
   */
  async *#readLatest(
    query: ParsedQuery,
    { shard, pageEvents, asker, ...range }: ShardRange,
  ): AsyncGenerator<Found> {
    const { filter, reverse } = query;
    const end = this.#ends[shard]!;
    const isWanted = latestJudge(query);
    const decoder = new RecordDecoder(asker);
    const patterns = filter.topics;
    let { after, until } = range;
    let limit = pageEvents;
    // Events behind `until` that were found: they come once.
    const early = new Set<number>();
    for (let lacksEvents = true; lacksEvents && after < until; ) {
      lacksEvents = false;
      const newest = { patterns, after, until: Number.MAX_SAFE_INTEGER, reverse, asker };
      const pages = newestPages({
        source: this.#source,
        shard,
        end,
        range: newest,
        get pageEvents() {
          return limit;
        },
        roomBytes: 0,
      });
      for await (const { page, lacksEvents: isShort } of pages) {
        lacksEvents ||= isShort;
        const found: Found[] = [];
        decodePage(page, ({ bytes, offset, sequence, recordedAt }) => {
          if (!isWanted(bytes, offset, recordedAt) || early.has(sequence)) return;
          if (sequence > until && early.size < LATEST_TOPICS_HELD) early.add(sequence);
          found.push({ event: decoder.decode(bytes, offset, shard, sequence), recordedAt });
        });
        yield* found;
        if (found.length === 0) limit = morePageEvents(limit);
      }
      after = until;
      until = end.control.head;
    }
  }
}

/** How many events the next page may have, behind one that had so many at most and none that is wanted. */
function morePageEvents(limit: number): number {
  return Math.min(limit * PAGE_GROWTH, READ_PAGE_EVENTS);
}

/** Merges by recorded time; within a shard the order is the log's. */
async function* merge(
  sources: readonly AsyncGenerator<Found>[],
  reverse: boolean,
): AsyncGenerator<Found> {
  const sign = reverse ? -1 : 1;
  try {
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      let first = -1;
      for (let i = 0; i < heads.length; i++) {
        const head = heads[i]!;
        if (head.done) continue;
        const best = first < 0 ? undefined : heads[first]!;
        const isFirst =
          best === undefined || sign * (head.value.recordedAt - best.value.recordedAt) < 0;
        if (isFirst) first = i;
      }
      if (first < 0) return;
      yield heads[first]!.value;
      heads[first] = await sources[first]!.next();
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)));
  }
}
