/**
 * The source of an endpoint's history: reader threads, or the shards themselves if only they can read their logs. No
 * event beyond a shard's published head is returned: a batch is committed before it is flushed, so a file may hold
 * events that are not to be seen until they are flushed. Nor is an event that has expired, which a log or an archive may
 * still have.
 */
import type { ShardPageRequest } from '../../link/calls.js';
import type { Caller } from '../../link/port-calls.js';
import { decodeCursor } from '../../protocol/cursor.js';
import { WORK_SLICE_MS } from '../../protocol/limits/budgets.js';
import type { ResolvedCursor } from '../../store/cursor-positions.js';
import type { Page, PageRequest } from '../../store/page.js';
import { type Asker, ITSELF } from '../asker.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import { withoutExpired } from './expired-records.js';
import type { LastsShard } from './last-sequences.js';

export type HistoryAsker = Pick<Asker, 'owner' | 'hasBusyOthers'>;

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
  async page(shard: number, request: PageRequest, asker: HistoryAsker = ITSELF): Promise<Page> {
    const { control } = this.#ends[shard]!;
    const { head } = control;
    const until = Math.min(request.until ?? head, head);
    const { owner, hasBusyOthers } = asker;
    const asked = { ...request, until, headLeast: head };
    const call = { shard, request: asked, owner, hasBusyOthers };
    const page = await (this.#readers?.call('page', call) ?? this.#ofShard(call));
    return withoutExpired(page, control.expiryNow);
  }

  /** A shard that reads for a client has its publishers and subscribers wait. */
  #ofShard({ shard, request, owner }: ShardPageRequest): Promise<Page> {
    const short = owner === undefined ? request : { ...request, timeMs: WORK_SLICE_MS };
    return this.#ends[shard]!.call('page', () => ({ shard, request: short }));
  }

  /** The time by which a shard's events expire, ms since 1970. */
  expiryNow(shard: number): number {
    return this.#ends[shard]!.control.expiryNow;
  }

  /** The last sequence that was recorded before a time, in ms since 1970. */
  async positionAt(
    shard: number,
    timeMs: number,
    { owner }: HistoryAsker = ITSELF,
  ): Promise<number> {
    const { head } = this.#ends[shard]!.control;
    const call = { shard, timeMs, owner };
    const position = await (this.#readers?.call('positionAt', call) ??
      this.#ends[shard]!.call('positionAt', () => call));
    return Math.min(position, head);
  }
}
