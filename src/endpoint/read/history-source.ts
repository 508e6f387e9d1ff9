/**
 * Where an endpoint has history from: reader threads, or the shards themselves where nobody else can read their logs. Nothing
 * is shown that its shard has not told: a batch is committed before it is flushed, and what asked to be flushed is shown to
 * nobody until it is, so a file may have more than the head says.
 */
import type { Caller } from '../../link/port-calls.js';
import type { Page, PageRequest } from '../../store/page.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

export class HistorySource {
  readonly #ends: readonly EndpointEnd[];
  readonly #readers: Caller<'history'> | undefined;

  constructor(ends: readonly EndpointEnd[], readers: Caller<'history'> | undefined) {
    this.#ends = ends;
    this.#readers = readers;
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
