import { MIB } from '../../protocol/limits/units.js';
import { hasWildcard } from '../../protocol/topic.js';
import type { StoreHistory } from '../log-store.js';
import type { Page, PageRequest } from '../page.js';
import { type FoundRecord, pageOf } from '../page-of.js';
import type { TopicSummary } from '../shard-log.js';
import type { StreamEntry } from './log-stream.js';
import { damaged, unseal } from './sealed-record.js';

/** The most events that one look takes. */
const LOOK_EVENTS = 512;
/** A look backwards takes so many at first, and fewer or more by what they weigh. */
const BACKWARD_EVENTS = 32;
const BACKWARD_BYTES = MIB;
/** A page that has found nothing goes on looking for so long, ms. */
const PAGE_MS = 20;

export interface StreamBounds {
  readonly head: number;
  /** See `StreamState.prunedThrough`. */
  readonly prunedThrough: number;
  /** As `Page.goneThrough`, for all topics. Default: `prunedThrough`. */
  readonly goneThrough?: number;
  /** See `StreamState.forgottenThrough`; of streams that have `topics`. */
  readonly forgottenThrough?: number;
}

/** What a broker does for `StreamHistory`. */
export interface HistoryStream {
  /** Waits for a replica that is behind `headLeast`. */
  bounds(shard: number, headLeast: number): Promise<StreamBounds>;
  /**
   * The entries after `after`, up to `until`, as many as fit one answer and at most `limit`; at least one if the broker
   * still has any.
   */
  fetch(
    shard: number,
    after: number,
    until: number,
    limit?: number,
    topics?: readonly string[],
  ): Promise<readonly StreamEntry[]>;
  /** See `LogStream.topics`. Absent where a broker does not know at once where a topic's events lie. */
  topics?(shard: number, names: readonly string[]): Promise<readonly TopicSummary[]>;
  /**
   * Entries that `fetch` leaves out at the beginning need not have gone together with all before them. Default: they have.
   */
  readonly hasHoles?: boolean;
  /** The recorded times may run backwards by so many ms. Default: they never do. */
  readonly timeStepMs?: number;
  /** Whether `fetch` leaves out, for these patterns, most entries whose topics match none of them. Default: never. */
  filters?(topics: readonly string[]): boolean;
  close(): void | Promise<void>;
}

/** Pages and positions of a broker's streams, for threads that read and never append. */
export class StreamHistory implements StoreHistory {
  readonly #stream: HistoryStream;

  constructor(stream: HistoryStream) {
    this.#stream = stream;
  }

  async page(shard: number, request: PageRequest): Promise<Page> {
    const { reverse = false, timeMs = PAGE_MS } = request;
    const endsAt = performance.now() + Math.min(timeMs, PAGE_MS);
    const bounds = await this.#stream.bounds(shard, request.headLeast ?? 0);
    const { head } = bounds;
    // Before the events are looked for, so that none is behind the last of its topic.
    const span = await this.#spanOf(shard, request, bounds);
    let { prunedThrough } = span;
    let { after, until } = await this.#range(shard, request, span);
    for (;;) {
      const look = { ...request, after, until };
      const page = await (reverse
        ? this.#backward(shard, look, head)
        : this.#forward(shard, look, head));
      const isOver = page.count > 0 || page.done || request.limit <= 0;
      // Some may have gone since the look began.
      if (!span.isOfTopics && page.prunedThrough > after) {
        prunedThrough = await this.#prunedBy(shard, page);
      }
      if (isOver || performance.now() >= endsAt) {
        const ifAsked = (through: number): number => (through > request.after ? through : 0);
        const gone = span.isOfTopics ? prunedThrough : Math.max(span.after, prunedThrough);
        // Nothing of the request lies behind the span: whoever reads on has looked at all that there is.
        const next =
          page.done && !reverse
            ? Math.max(page.next, Math.min(request.until ?? head, head))
            : page.next;
        return { ...page, next, prunedThrough: ifAsked(prunedThrough), goneThrough: ifAsked(gone) };
      }
      if (reverse) until = page.next;
      else after = page.next;
    }
  }

  /** What has gone by now: all that lacks at the beginning of a page, unless the broker removes single events too. */
  async #prunedBy(shard: number, page: Page): Promise<number> {
    if (this.#stream.hasHoles !== true) return page.prunedThrough;
    return (await this.#stream.bounds(shard, 0)).prunedThrough;
  }

  async positionAt(shard: number, timeMs: number): Promise<number> {
    const {
      head,
      prunedThrough,
      goneThrough = prunedThrough,
    } = await this.#stream.bounds(shard, 0);
    const position = await this.#firstSince(shard, timeMs, goneThrough, head);
    // Nobody knows when the events that have gone were recorded.
    return position === goneThrough ? 0 : position;
  }

  close(): void | Promise<void> {
    return this.#stream.close();
  }

  /** Where the events lie that the request may want: if it names topics, from the first of these on to the last. */
  async #spanOf(shard: number, { filter }: PageRequest, bounds: StreamBounds): Promise<Span> {
    const names = filter?.topics ?? [];
    const isOfTopics =
      this.#stream.topics !== undefined && names.length > 0 && !names.some(hasWildcard);
    if (!isOfTopics) {
      const { prunedThrough, goneThrough = prunedThrough, head } = bounds;
      return { prunedThrough, after: goneThrough, until: head, isOfTopics };
    }
    const topics = await this.#stream.topics!(shard, names);
    const kept = topics.filter(({ events }) => events > 0);
    const forgotten = topics.length < names.length ? (bounds.forgottenThrough ?? 0) : 0;
    return {
      prunedThrough: Math.max(forgotten, ...topics.map((topic) => topic.prunedThrough)),
      after: Math.min(bounds.head, ...kept.map(({ firstSequence }) => firstSequence - 1)),
      until: Math.min(bounds.head, Math.max(0, ...kept.map(({ lastSequence }) => lastSequence))),
      isOfTopics,
    };
  }

  /** The part of the request's range that its topics and times leave. */
  async #range(shard: number, request: PageRequest, span: Span): Promise<Range> {
    const { sinceMs, untilMs } = request;
    let after = Math.max(request.after, span.after, 0);
    let until = Math.min(request.until ?? span.until, span.until);
    const { timeStepMs: step = 0 } = this.#stream;
    if (sinceMs !== undefined) after = await this.#lastBefore(shard, sinceMs - step, after, until);
    if (untilMs !== undefined) until = await this.#lastBefore(shard, untilMs + step, after, until);
    return { after, until };
  }

  async #forward(shard: number, request: RangeRequest, head: number): Promise<Page> {
    const { sequences, until } = request;
    let { after } = request;
    let end = Math.min(until, after + LOOK_EVENTS);
    if (sequences !== undefined) {
      after = Math.min((sequences.find((one) => one > after) ?? until + 1) - 1, until);
      end = Math.min(until, sequences.findLast((one) => one <= after + LOOK_EVENTS) ?? until);
    }
    const limit = takesAll(request) ? Math.max(1, request.limit) : LOOK_EVENTS;
    const topics = this.#filtered(request);
    if (topics !== undefined) end = until;
    const entries = after < until ? await this.#stream.fetch(shard, after, end, limit, topics) : [];
    const through = entries.at(-1)?.sequence ?? end;
    const page = pageOf(
      this.#records(shard, entries),
      { ...request, after },
      head,
      through >= until,
    );
    const gone = sequences === undefined ? (entries[0]?.sequence ?? through + 1) - 1 : 0;
    const withGone = { ...page, prunedThrough: gone };
    return entries.length === 0 ? { ...withGone, next: through } : withGone;
  }

  async #backward(shard: number, request: RangeRequest, head: number): Promise<Page> {
    const { sequences, after: first } = request;
    const until = sequences?.findLast((one) => one <= request.until) ?? request.until;
    const { after, entries } = await this.#before(shard, until, first, this.#filtered(request));
    const records = this.#records(shard, entries.toReversed());
    const page = pageOf(records, { ...request, until }, head, after <= first);
    return entries.length === 0 ? { ...page, next: after } : page;
  }

  /** The last entries up to `until`, about as many as weigh `BACKWARD_BYTES`, and what they are all behind. */
  async #before(
    shard: number,
    until: number,
    first: number,
    topics: readonly string[] | undefined,
  ): Promise<{ after: number; entries: StreamEntry[] }> {
    let entries: StreamEntry[] = [];
    let after = until;
    let bytes = 0;
    let events = BACKWARD_EVENTS;
    while (after > first && entries.length < LOOK_EVENTS && bytes < BACKWARD_BYTES) {
      const end = after;
      after = Math.max(first, end - events);
      const found = await this.#all(shard, after, end, topics);
      entries = [...found, ...entries];
      bytes += found.reduce((sum, entry) => sum + entry.bytes.length, 0);
      if (bytes < BACKWARD_BYTES / 4) events *= 4;
    }
    return { after, entries };
  }

  /** The patterns by which the broker itself finds what the request asks for. */
  #filtered({ filter, sequences }: PageRequest): readonly string[] | undefined {
    if (filter === undefined || sequences !== undefined) return undefined;
    return this.#stream.filters?.(filter.topics) === true ? filter.topics : undefined;
  }

  async #all(
    shard: number,
    after: number,
    until: number,
    topics: readonly string[] | undefined,
  ): Promise<StreamEntry[]> {
    const all: StreamEntry[] = [];
    for (let at = after; at < until; ) {
      const entries = await this.#stream.fetch(shard, at, until, undefined, topics);
      all.push(...entries);
      at = entries.at(-1)?.sequence ?? until;
    }
    return all;
  }

  /** The place before the first event recorded at a time or later, of those after `after` up to `until`. */
  async #firstSince(shard: number, timeMs: number, after: number, until: number): Promise<number> {
    const { timeStepMs: step = 0 } = this.#stream;
    const from = await this.#lastBefore(shard, timeMs - step, after, until);
    if (step === 0) return from;
    const end = await this.#lastBefore(shard, timeMs + step, from, until);
    for (let at = from; at < end; ) {
      const entries = await this.#stream.fetch(shard, at, end);
      const first = entries.findIndex(({ recordedAt }) => recordedAt >= timeMs);
      if (first >= 0) return entries[first - 1]?.sequence ?? at;
      at = entries.at(-1)?.sequence ?? end;
    }
    return end;
  }

  /** The last sequence recorded before a time, of those after `after` up to `until`; `after` if there is none. */
  async #lastBefore(shard: number, timeMs: number, after: number, until: number): Promise<number> {
    let low = after;
    let high = until;
    // Mostly one of the ends is it.
    for (let middle = low + 1; low < high; middle = low + Math.ceil((high - low) / 2)) {
      const [entry] = await this.#stream.fetch(shard, middle - 1, high, 1);
      if (entry !== undefined && entry.recordedAt < timeMs) low = entry.sequence;
      else high = middle - 1;
      if (middle === after + 1 && low < high) {
        const [last] = await this.#stream.fetch(shard, high - 1, high, 1);
        if (last !== undefined && last.recordedAt < timeMs) low = high;
      }
    }
    return low;
  }

  *#records(shard: number, entries: readonly StreamEntry[]): Iterable<FoundRecord> {
    for (const { sequence, recordedAt, bytes } of entries) {
      const record = unseal(bytes);
      if (record === undefined) throw damaged(shard, sequence);
      yield { sequence, recordedAt, bytes: record };
    }
  }
}

interface Range {
  readonly after: number;
  readonly until: number;
}

interface Span extends Range {
  /** Events up to this sequence, of those that the request may want, have gone. */
  readonly prunedThrough: number;
  /** The span is that of topics which the request names. */
  readonly isOfTopics: boolean;
}

type RangeRequest = PageRequest & Range;

/** Whether the request wants every event of its range. */
function takesAll({ filter, id, sequences }: PageRequest): boolean {
  return filter === undefined && id === undefined && sequences === undefined;
}
