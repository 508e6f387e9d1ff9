/** The `HistoryModule` of a store with an archive, which a reader's thread imports. */

import { ArchiveWords } from '../link/archive-words.js';
import { ARCHIVE_PAGE_MS } from '../protocol/limits/archive.js';
import type { Lineage } from '../store/lineage.js';
import type { HistoryAddress, HistoryModule, StoreHistory } from '../store/log-store.js';
import type { Page, PageRequest } from '../store/page.js';
import { ArchivedShard } from './archived-shard.js';
import { PageCollector } from './page-collector.js';
import { assertArchive } from './root.js';
import { SegmentGone, SegmentReader } from './segments/segment-reader.js';
import { openTarget } from './targets/open-target.js';
import type { ArchivePlace } from './targets/target.js';

export interface ArchiveHistoryOptions {
  /** The history of the logs themselves. */
  readonly log: HistoryAddress;
  readonly place: ArchivePlace;
  readonly lineage: Lineage;
  /** By shard; see `ArchiveWords`. */
  readonly words: readonly SharedArrayBuffer[];
}

/** Each look that finds a segment gone knows one fewer; more than this only a target that contradicts itself needs. */
const LOOKS_MAX = 10;

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const { log, place, lineage, words } = options as ArchiveHistoryOptions;
  const { openHistory: openLog } = (await import(log.module)) as HistoryModule;
  const target = await openTarget(place);
  const reader = new SegmentReader(target);
  const assertThere = (): Promise<void> => assertArchive(target);
  const shards = words.map((buffer, shard) => {
    return new ArchivedShard(target, lineage, shard, reader, new ArchiveWords(buffer), assertThere);
  });
  return new ArchiveHistory(await openLog(log.options), reader, shards);
}

/** The part of a request that a page is made for, without times. */
interface Range {
  readonly request: PageRequest;
  readonly after: number;
  readonly until: number;
  readonly head: number;
  /** Up to where the log has lost events that the request wants, most of which are archived; 0: none. */
  readonly lost: number;
}

/**
 * History that begins in the archive and goes on in the logs. The log is asked first. It says whether it has removed
 * events that the request wants; if so, the archive is read up to there, and for the rest the log. What the archive
 * does not have is told as the log tells it: as removed.
 */
export class ArchiveHistory implements StoreHistory {
  readonly #log: StoreHistory;
  readonly #reader: SegmentReader;
  readonly #shards: readonly ArchivedShard[];

  constructor(log: StoreHistory, reader: SegmentReader, shards: readonly ArchivedShard[]) {
    this.#log = log;
    this.#reader = reader;
    this.#shards = shards;
  }

  async page(shard: number, request: PageRequest): Promise<Page> {
    // Listed sequences are of events that the log has; one that left it since is told as missing.
    const isOfLog = request.sequences !== undefined || this.#shards[shard]!.isEmpty;
    if (isOfLog) return this.#log.page(shard, request);
    return this.#again(shard, async () =>
      this.#page(shard, await this.#withoutTimes(shard, request)),
    );
  }

  async positionAt(shard: number, timeMs: number): Promise<number> {
    const position = await this.#log.positionAt(shard, timeMs);
    const archived = this.#shards[shard]!;
    if (archived.isEmpty) return position;
    const gone = goneThroughOf(await this.#log.page(shard, { after: 0, limit: 0 }));
    // An event behind all removed ones is older than the time: the log has all that is younger.
    if (position > gone) return position;
    return this.#again(shard, () => archived.positionAt(timeMs, position));
  }

  close(): void | Promise<void> {
    return this.#log.close();
  }

  /** Looks once more where retention of the archive removes segments meanwhile: the list is then read anew. */
  async #again<T>(shard: number, look: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await look();
      } catch (error) {
        if (!(error instanceof SegmentGone) || attempt >= LOOKS_MAX) throw error;
        this.#shards[shard]!.outdate();
      }
    }
  }

  async #withoutTimes(shard: number, request: PageRequest): Promise<PageRequest> {
    const { sinceMs, untilMs, ...rest } = request;
    if (sinceMs === undefined && untilMs === undefined) return request;
    const since = sinceMs === undefined ? 0 : await this.positionAt(shard, sinceMs);
    const after = Math.max(rest.after, since);
    if (untilMs === undefined) return { ...rest, after };
    const before = await this.positionAt(shard, untilMs);
    return { ...rest, after, until: Math.min(rest.until ?? before, before) };
  }

  async #page(shard: number, request: PageRequest): Promise<Page> {
    const { reverse = false } = request;
    const after = Math.max(0, request.after);
    const archived = this.#shards[shard]!;
    // Most requests want nothing that was removed, and need one look. Others would throw it away.
    const isProbe = after < archived.goneSeen;
    const page = await this.#log.page(shard, isProbe ? { ...request, limit: 0 } : request);
    const { head } = page;
    const gone = goneThroughOf(page);
    archived.goneSeen = Math.max(archived.goneSeen, gone);
    const until = Math.min(request.until ?? head, head);
    if (gone <= after || request.limit <= 0 || after >= until) {
      return isProbe ? this.#log.page(shard, request) : page;
    }
    const range = { request, after, until, head, lost: page.prunedThrough };
    return reverse ? this.#backward(shard, range, gone) : this.#forward(shard, range, gone);
  }

  async #forward(shard: number, range: Range, gone: number): Promise<Page> {
    const { request, after, until } = range;
    const archived = this.#shards[shard]!;
    const catalog = await archived.catalog(after + 1);
    const end = Math.min(until, gone);
    const collector = this.#collector(request);
    let next = after;
    // The first look is made however late it is: without one, what is archived would count as gone.
    while (next < end && !collector.isFull && (next === after || !collector.isOver)) {
      const found = catalog.at(next + 1);
      if (found === undefined) break;
      next = await collector.collect(found.name, next, Math.min(end, found.to));
    }
    if (next > after) return pageFrom(collector, next, range);
    // Nothing is archived here. The log has what is left of it, and tells what is missing.
    const following = catalog.next(after + 1)?.from ?? Number.POSITIVE_INFINITY;
    const part = Math.min(until, following - 1);
    const page = await this.#log.page(shard, { ...request, after, until: part });
    const lost = Math.min(page.prunedThrough, part);
    return { ...page, done: page.done && part >= until, prunedThrough: lost > after ? lost : 0 };
  }

  async #backward(shard: number, range: Range, gone: number): Promise<Page> {
    const { request, after, until } = range;
    if (until > gone) {
      const page = await this.#log.page(shard, { ...request, after: gone, until });
      return { ...page, done: page.done && gone <= after };
    }
    const catalog = await this.#shards[shard]!.catalog(until);
    const collector = this.#collector(request);
    let next = until;
    while (next > after && !collector.isFull && (next === until || !collector.isOver)) {
      const found = catalog.at(next);
      if (found === undefined) break;
      next = await collector.collect(found.name, Math.max(after, found.from - 1), next);
    }
    if (next < until) return pageFrom(collector, next, range);
    const part = Math.max(after, catalog.previous(until)?.to ?? 0);
    const page = await this.#log.page(shard, { ...request, after: part, until });
    return { ...page, done: page.done && part <= after };
  }

  #collector(request: PageRequest): PageCollector {
    const { timeMs = ARCHIVE_PAGE_MS } = request;
    const deadline = performance.now() + Math.min(timeMs, ARCHIVE_PAGE_MS);
    return new PageCollector(this.#reader, request, deadline);
  }
}

/** Up to where the log has removed events that the request wants. */
function goneThroughOf({ prunedThrough, goneThrough = prunedThrough }: Page): number {
  return goneThrough;
}

function pageFrom(
  collector: PageCollector,
  next: number,
  { request, until, after, head, lost }: Range,
): Page {
  // A segment says what is missing of all topics, the log up to where any of those that are wanted is.
  const hole = Math.min(collector.holeThrough, next, lost);
  return {
    records: collector.records,
    count: collector.count,
    next,
    done: request.reverse ? next <= after : next >= until,
    head,
    prunedThrough: request.reverse || hole <= after ? 0 : hole,
  };
}
