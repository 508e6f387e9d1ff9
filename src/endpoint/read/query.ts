/** Runs queries: reads each shard's history in pages and merges the events by the time at which they were recorded. */
import { PageItems } from '../../collections/page-items.js';
import type { Event } from '../../protocol/event.js';
import { isExpired } from '../../protocol/expiry.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import {
  LATEST_TOPICS_HELD,
  READ_PAGE_BYTES,
  READ_PAGE_EVENTS,
} from '../../protocol/limits/endpoint.js';
import { PagePosition } from '../../protocol/page-position.js';
import { type Asker, assertIsThere, ITSELF } from '../asker.js';
import type { HistorySource } from './history-source.js';
import type { LastsShard } from './last-sequences.js';
import { latestJudge } from './latest-judge.js';
import { mergedPages, ShardPage } from './merged-pages.js';
import { newestPages } from './newest-events.js';
import { defined, limitOf, type ParsedQuery } from './parse-query.js';
import { RecordDecoder } from './record-decoder.js';

const PAGE_GROWTH = 4;

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
  read(query: ParsedQuery, asker?: Asker, pageEvents?: number): AsyncIterableIterator<Event> {
    return new PageItems(this.pages(query, asker, pageEvents));
  }

  /** As `read`, as many events at a time as were read together. All of them have to be taken before the next ones are asked for. */
  async *pages(
    query: ParsedQuery,
    asker: Asker = ITSELF,
    pageEvents = Math.min(query.limit ?? READ_PAGE_EVENTS, READ_PAGE_EVENTS),
  ): AsyncGenerator<Iterable<Event>> {
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
    const wanted = new Wanted(query.limit ?? Number.POSITIVE_INFINITY, position, (event) =>
      this.#isExpired(event),
    );
    for await (const events of mergedPages(sources, query.reverse)) {
      yield wanted.of(events);
      if (wanted.left === 0) return;
    }
  }

  /** An event may expire between its page's arrival and its turn. */
  #isExpired(event: Event): boolean {
    return isExpired(event, this.#source.expiryNow(event.shard));
  }

  async *#readShard(
    query: ParsedQuery,
    { shard, pageEvents, asker, ...range }: ShardRange,
  ): AsyncGenerator<ShardPage> {
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
      if (page.count > 0) yield new ShardPage(shard, page, decoder);
      if (page.done) return;
      // Thousands of events may have expired that are not removed yet.
      if (page.count === 0) limit = morePageEvents(limit);
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
  ): AsyncGenerator<ShardPage> {
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
        // Which of them are wanted is judged here.
        asker.found(page.count, page.records.byteLength);
        const found = new ShardPage(
          shard,
          page,
          decoder,
          ({ bytes, offset, sequence, recordedAt }) => {
            if (!isWanted(bytes, offset, recordedAt) || early.has(sequence)) return false;
            if (sequence > until && early.size < LATEST_TOPICS_HELD) early.add(sequence);
            return true;
          },
        );
        yield found;
        if (found.found === 0) limit = morePageEvents(limit);
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

/** What a query wants of the events that are read, up to its limit. */
class Wanted {
  readonly #position: PagePosition | undefined;
  readonly #isExpired: (event: Event) => boolean;
  /** How many more. */
  left: number;

  constructor(
    limit: number,
    position: PagePosition | undefined,
    isExpired: (event: Event) => boolean,
  ) {
    this.left = limit;
    this.#position = position;
    this.#isExpired = isExpired;
  }

  *of(events: Iterable<Event>): Generator<Event> {
    if (this.left === 0) return;
    for (const event of events) {
      if (event.expiresAt !== undefined && this.#isExpired(event)) continue;
      this.left--;
      yield this.#position?.mark(event) ?? event;
      if (this.left === 0) return;
    }
  }
}
