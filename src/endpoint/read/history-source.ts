/**
 * The source of an endpoint's history: reader threads, or the shards themselves if only they can read their logs. No
 * event beyond a shard's published head is returned: a batch is committed before it is flushed, so a file may hold
 * events that are not to be seen until they are flushed.
 */
import type { Caller } from '../../link/port-calls.js';
import { decodeCursor } from '../../protocol/cursor.js';
import type { ResolvedCursor } from '../../store/cursor-positions.js';
import type { Page, PageRequest } from '../../store/page.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { LastsShard } from './last-sequences.js';

export class HistorySource {
  readonly #ends: readonly EndpointEnd[];
  readonly #readers: Caller<'history'> | undefined;

  readonly #main: Caller<'main'>;
  readonly #epoch: string;

  constructor(
    ends: readonly EndpointEnd[],
    readers: Caller<'history'> | undefined,
    main: Caller<'main'>,
    epoch: string,
    /** How many first segments of a topic decide its shard; 0: all of it does. */
    readonly segments = 0,
  ) {
    this.#ends = ends;
    this.#readers = readers;
    this.#main = main;
    this.#epoch = epoch;
  }

  /**
   * The positions at which a cursor goes on. A cursor of this epoch that is not beyond the shards' heads is resolved
   * here; the store resolves all others.
   */
  async resolveCursor(cursor: string): Promise<ResolvedCursor> {
    const { epoch, positions } = decodeCursor(cursor);
    const isKnown =
      epoch === this.#epoch &&
      positions.length === this.#ends.length &&
      positions.every((position, shard) => position <= this.#ends[shard]!.control.head);
    if (isKnown) return { positions: [...positions], gaps: [] };
    return this.#main.call('resolveCursor', { cursor });
  }

  /** The shard, which tells where the newest events of its topics are. */
  lasts(shard: number): LastsShard {
    return this.#ends[shard]!;
  }

  /** The next page of a shard's history. */
  page(shard: number, request: PageRequest): Promise<Page> {
    const { head } = this.#ends[shard]!.control;
    const until = Math.min(request.until ?? head, head);
    const call = { shard, request: { ...request, until, headLeast: head } };
    if (this.#readers !== undefined) return this.#readers.call('page', call);
    return this.#ends[shard]!.call('page', () => call);
  }

  /** The last sequence that was recorded before a time, in ms since 1970. */
  async positionAt(shard: number, timeMs: number): Promise<number> {
    const { head } = this.#ends[shard]!.control;
    const call = { shard, timeMs };
    const position = await (this.#readers?.call('positionAt', call) ??
      this.#ends[shard]!.call('positionAt', () => call));
    return Math.min(position, head);
  }
}
