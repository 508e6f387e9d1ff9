import type { Event } from '../../protocol/event.js';
import { type Page, PageRecords } from '../../store/page.js';
import type { RecordDecoder } from './record-decoder.js';

/** The events of one page of a shard's history. Each is decoded when it is taken. */
export class ShardPage {
  readonly #shard: number;
  readonly #records: PageRecords;
  readonly #decoder: RecordDecoder;
  readonly #isWanted: (record: PageRecords) => boolean;
  /** How many were wanted so far. */
  found = 0;

  constructor(
    shard: number,
    page: Page,
    decoder: RecordDecoder,
    isWanted: (record: PageRecords) => boolean = () => true,
  ) {
    this.#shard = shard;
    this.#records = new PageRecords(page.records);
    this.#decoder = decoder;
    this.#isWanted = isWanted;
  }

  /** Moves to the next event that is wanted, at first to the first one; false if there is none. */
  advance(): boolean {
    const records = this.#records;
    while (records.advance()) {
      if (!this.#isWanted(records)) continue;
      this.found++;
      return true;
    }
    return false;
  }

  /** When the event was recorded, ms since 1970. */
  get recordedAt(): number {
    return this.#records.recordedAt;
  }

  get event(): Event {
    const { bytes, offset, sequence } = this.#records;
    return this.#decoder.decode(bytes, offset, this.#shard, sequence);
  }
}

/**
 * Merges the histories of shards by recorded time; within a shard the order is the log's. Yields as many events at a time
 * as the pages at hand allow, which have to be taken before it goes on.
 *
 * @param sources the pages of each shard, in order
 * @param reverse newest first
 */
export async function* mergedPages(
  sources: readonly AsyncGenerator<ShardPage>[],
  reverse: boolean,
): AsyncGenerator<Iterable<Event>> {
  try {
    const pages = await Promise.all(sources.map(nextOf));
    while (pages.some((page) => page !== undefined)) {
      let emptied = -1;
      yield inOrder(pages, reverse, (at) => {
        emptied = at;
      });
      if (emptied >= 0) pages[emptied] = await nextOf(sources[emptied]!);
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)));
  }
}

/** The shard's next page that has an event, at that event. */
async function nextOf(source: AsyncGenerator<ShardPage>): Promise<ShardPage | undefined> {
  for (;;) {
    const { done, value } = await source.next();
    if (done) return undefined;
    if (value.advance()) return value;
  }
}

/** Takes events until one of the pages is at its end. */
function* inOrder(
  pages: readonly (ShardPage | undefined)[],
  reverse: boolean,
  onEmptied: (at: number) => void,
): Generator<Event> {
  const sign = reverse ? -1 : 1;
  for (;;) {
    let first = -1;
    let best = Number.POSITIVE_INFINITY;
    for (let at = 0; at < pages.length; at++) {
      const page = pages[at];
      if (page === undefined) continue;
      const time = sign * page.recordedAt;
      if (first >= 0 && time >= best) continue;
      first = at;
      best = time;
    }
    const page = pages[first]!;
    const { event } = page;
    // Moves on first: a page is at its end as soon as its last event is taken.
    const isOver = !page.advance();
    if (isOver) onEmptied(first);
    yield event;
    if (isOver) return;
  }
}
