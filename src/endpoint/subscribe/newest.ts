/**
 * Finds the positions from which to read the newest N matching events of all shards together. Each shard is read
 * backwards, a page at a time and only as far as needed, so that at most one page per shard is held, however large N
 * is.
 */
import type { ParsedFilter } from '../../protocol/filter.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import { READ_PAGE_BYTES, READ_PAGE_EVENTS } from '../../protocol/limits/endpoint.js';
import { decodePage } from '../../store/page.js';
import type { Asker } from '../asker.js';
import type { HistorySource } from '../read/history-source.js';

export interface Newest {
  readonly filter: ParsedFilter;
  /** The number of events wanted. */
  readonly last: number;
  /** By shard; later events do not count. */
  readonly heads: readonly number[];
  /** True once nobody waits for the result. */
  isOver(): boolean;
  readonly asker: Asker;
}

/** Per shard the position before the first of the newest events; the shard's head if it holds none of them. */
export async function newestPositions(
  source: Pick<HistorySource, 'page' | 'segments'>,
  newest: Newest,
): Promise<number[]> {
  const { filter, heads, last } = newest;
  const positions = [...heads];
  const tails = shardsOf(filter, { shards: heads.length, segments: source.segments }).map(
    (shard) => new Tail(source, shard, newest),
  );
  await Promise.all(tails.map((tail) => tail.fill()));
  for (let left = last; left > 0 && !newest.isOver(); left--) {
    const tail = latest(tails);
    if (tail === undefined) break;
    positions[tail.shard] = tail.take() - 1;
    if (tail.isEmpty) await tail.fill();
  }
  return positions;
}

/** The shard whose next event was recorded last. */
function latest(tails: readonly Tail[]): Tail | undefined {
  let found: Tail | undefined;
  for (const tail of tails) {
    if (tail.isEmpty) continue;
    if (found === undefined || tail.recordedAt > found.recordedAt) found = tail;
  }
  return found;
}

/** A shard's matching events, newest first. */
class Tail {
  readonly shard: number;
  readonly #source: Pick<HistorySource, 'page'>;
  readonly #newest: Newest;
  readonly #sequences: number[] = [];
  readonly #times: number[] = [];
  #at = 0;
  #until: number;

  constructor(source: Pick<HistorySource, 'page'>, shard: number, newest: Newest) {
    this.shard = shard;
    this.#source = source;
    this.#newest = newest;
    this.#until = newest.heads[shard]!;
  }

  /** True if the page is used up; right after `fill`, that the shard has no more events. */
  get isEmpty(): boolean {
    return this.#at === this.#sequences.length;
  }

  get recordedAt(): number {
    return this.#times[this.#at]!;
  }

  /** Takes the next event and returns its sequence. */
  take(): number {
    return this.#sequences[this.#at++]!;
  }

  async fill(): Promise<void> {
    this.#sequences.length = 0;
    this.#times.length = 0;
    this.#at = 0;
    const { asker, filter, last } = this.#newest;
    while (this.isEmpty && this.#until > 0 && !this.#newest.isOver()) {
      const request = {
        filter,
        after: 0,
        until: this.#until,
        limit: Math.min(last, READ_PAGE_EVENTS),
        limitBytes: READ_PAGE_BYTES,
        reverse: true,
      };
      const page = await asker.readInTurn(READ_PAGE_BYTES, () => {
        return this.#source.page(this.shard, request, asker);
      });
      asker.found(page.count, page.records.byteLength);
      decodePage(page, ({ sequence, recordedAt }) => {
        this.#sequences.push(sequence);
        this.#times.push(recordedAt);
      });
      this.#until = page.done ? 0 : page.next;
    }
  }
}
