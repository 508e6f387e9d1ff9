/** Lists and cancels publishes that wait in the shards. */
import type { WaitingEntry, WaitingPage } from '../../link/scheduled-calls.js';
import { BusError } from '../../protocol/errors.js';
import {
  type CancelOptions,
  type ParsedScheduledQuery,
  placeText,
  type ScheduledPage,
  type ScheduledPlace,
  type ScheduledPublish,
  severalWait,
} from '../../protocol/scheduled.js';
import { FIRST_WAITING, type WaitingPlace } from '../../store/scheduled.js';
import { type Asker, ITSELF } from '../asker.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

interface Found {
  readonly place: ScheduledPlace;
  readonly publish: ScheduledPublish;
}

/** How many of one id are looked at together, to tell whether it names one publish. */
const NAMESAKES_PER_PAGE = 16;

/** A page of what waits in all shards, in the order of due times. */
export async function scheduledPage(
  ends: readonly EndpointEnd[],
  query: ParsedScheduledQuery,
  asker: Asker = ITSELF,
): Promise<ScheduledPage> {
  const found = await foundIn(ends, query, asker);
  const publishes = found.map(({ publish }) => publish);
  const isLast = found.length < query.limit;
  return isLast ? { publishes } : { publishes, next: placeText(found.at(-1)!.place) };
}

/** The first `query.limit` of all shards. */
async function foundIn(
  ends: readonly EndpointEnd[],
  query: ParsedScheduledQuery,
  asker: Asker,
): Promise<Found[]> {
  const perShard = await Promise.all(ends.map((end) => waitingOf(end, query, asker)));
  return perShard.flat().sort(inOrder).slice(0, query.limit);
}

/** At most `query.limit` of one shard. */
async function waitingOf(
  end: EndpointEnd,
  { patterns, id, limit, after }: ParsedScheduledQuery,
  asker: Asker,
): Promise<Found[]> {
  const found: Found[] = [];
  for (let from: WaitingPlace | null = startIn(end.shard, after); from !== null; ) {
    const request = { patterns, id, after: from, limit: limit - found.length };
    const page: WaitingPage = await asker.readInTurn(0, () => {
      if (asker.isGone) throw new BusError('ABORTED', 'nobody waits for the answer any more');
      return end.call('waiting', () => request);
    });
    for (const entry of page.publishes) found.push(foundOf(end.shard, entry));
    from = found.length < limit ? page.next : null;
  }
  return found;
}

/** Places are in the order of due times, then of shards, then of numbers. */
function startIn(shard: number, after: ScheduledPlace | undefined): WaitingPlace {
  if (after === undefined) return FIRST_WAITING;
  const { dueAt, number } = after;
  if (shard === after.shard) return { dueAt, number };
  return { dueAt, number: shard < after.shard ? Number.MAX_SAFE_INTEGER : 0 };
}

function inOrder({ place: a }: Found, { place: b }: Found): number {
  return a.dueAt - b.dueAt || a.shard - b.shard || a.number - b.number;
}

function foundOf(shard: number, entry: WaitingEntry): Found {
  const { number, dueAt, acceptedAt, bytes, ...fields } = entry;
  const deliverAt = new Date(dueAt).toISOString();
  const publishedAt = new Date(acceptedAt).toISOString();
  return {
    place: { dueAt, shard, number },
    publish: { ...fields, shard, deliverAt, publishedAt, bytes },
  };
}

/** The waiting publish of an id and, if one is named, a source. @throws BusError `CONFLICT` if there are several */
async function namesakes(
  ends: readonly EndpointEnd[],
  patterns: readonly string[],
  id: string,
  source: string | undefined,
): Promise<readonly ScheduledPublish[]> {
  const meant: ScheduledPublish[] = [];
  for (let after: ScheduledPlace | undefined; ; ) {
    const found = await foundIn(ends, { patterns, id, limit: NAMESAKES_PER_PAGE, after }, ITSELF);
    for (const { publish } of found) {
      if (source === undefined || publish.source === source) meant.push(publish);
    }
    if (meant.length > 1) throw severalWait(id, meant);
    after = found.at(-1)?.place;
    if (after === undefined) return meant;
  }
}

/**
 * Cancels the waiting publish of this id; false if none waits.
 * @param patterns only on topics that one of them matches
 * @throws BusError `CONFLICT` if the id does not name one alone
 */
export async function cancelScheduled(
  ends: readonly EndpointEnd[],
  shardOf: (topic: string) => number,
  id: string,
  { topic, source }: CancelOptions,
  patterns: readonly string[] = ['*'],
): Promise<boolean> {
  let of = source;
  let on = topic;
  if (on === undefined) {
    const [one] = await namesakes(ends, patterns, id, source);
    if (one === undefined) return false;
    on = one.topic;
    of = one.source;
  }
  const request = { topic: on, id, source: of ?? null };
  const { isFound } = await ends[shardOf(on)]!.call('cancelWaiting', () => request);
  return isFound;
}
