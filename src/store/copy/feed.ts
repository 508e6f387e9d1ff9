import type { FilledEvent } from '../filling.js';
import type { CopySource } from './copy-source.js';

/** The events of one log one by one, from pieces. Recorded time never runs backwards in it, whatever the clocks of a broker did. */
export class Feed {
  readonly #pieces: AsyncIterator<readonly FilledEvent[]>;
  readonly #recordedUntil: number;
  #piece: readonly FilledEvent[] = [];
  #at = 0;
  #recordedAt = 0;
  /** The next event; `undefined` at the end. */
  next: FilledEvent | undefined;

  /** `recordedUntil`: events that were recorded later count as recorded then. Opened at its first event. */
  static async open(
    pieces: AsyncIterable<readonly FilledEvent[]>,
    recordedUntil = Number.POSITIVE_INFINITY,
  ): Promise<Feed> {
    const feed = new Feed(pieces, recordedUntil);
    await feed.advance();
    return feed;
  }

  private constructor(pieces: AsyncIterable<readonly FilledEvent[]>, recordedUntil: number) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#recordedUntil = recordedUntil;
  }

  /** Goes on to the event behind `next`. Without a promise where that is at hand. */
  advance(): Promise<void> | undefined {
    if (this.#at === this.#piece.length) return this.#readOn();
    const { bytes, recordedAt } = this.#piece[this.#at++]!;
    this.#recordedAt = Math.max(this.#recordedAt, Math.min(recordedAt, this.#recordedUntil));
    this.next = { bytes, recordedAt: this.#recordedAt };
    return undefined;
  }

  /** Lets go of what the pieces come from. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#pieces.next();
      if (done === true) {
        this.next = undefined;
        return;
      }
      if (value.length === 0) continue;
      this.#piece = value;
      this.#at = 0;
      await this.advance();
      return;
    }
  }
}

/** All events of a source in the order in which they were recorded; of equal times, the lower shard's first. */
export async function* merged(
  source: CopySource,
  recordedUntil?: number,
): AsyncGenerator<FilledEvent> {
  const feeds: Feed[] = [];
  try {
    for (let shard = 0; shard < source.shards; shard++) {
      feeds.push(await Feed.open(source.events(shard), recordedUntil));
    }
    for (let feed = oldest(feeds); feed !== undefined; feed = oldest(feeds)) {
      yield feed.next!;
      await feed.advance();
    }
  } finally {
    for (const feed of feeds) await feed.close();
  }
}

function oldest(feeds: readonly Feed[]): Feed | undefined {
  let best: Feed | undefined;
  for (const feed of feeds) {
    if (feed.next === undefined) continue;
    if (best === undefined || feed.next.recordedAt < best.next!.recordedAt) best = feed;
  }
  return best;
}
