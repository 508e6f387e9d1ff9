/**
 * Where an endpoint has history from: reader threads, or the shards themselves where nobody else can read their logs. Nothing
 * is shown that its shard has not told: a batch is committed before it is flushed, and what asked to be flushed is shown to
 * nobody until it is, so a file may have more than the head says.
 */
import type { Caller } from '../../link/port-calls.js';
import { decodeCursor } from '../../protocol/cursor.js';
import type { ResolvedCursor } from '../../store/cursor-positions.js';
import type { Page, PageRequest } from '../../store/page.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

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
  ) {
    this.#ends = ends;
    this.#readers = readers;
    this.#main = main;
    this.#epoch = epoch;
  }

  /**
   * Where a cursor goes on. One of this history, within what the shards have told, goes on where it says, which is known here. The
   * store judges all others.
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
