/** Lists and cancels publishes that wait in the shards. */
import { damagedWaiting, type WaitingEntry, type WaitingPage } from '../../link/scheduled-calls.js';
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
import { type Asker, assertIsThere, ITSELF } from '../asker.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

interface Found {
  readonly place: ScheduledPlace;
  readonly publish: ScheduledPublish;
}

interface FoundPage {
  readonly found: Found[];
  /** The damaged rows on the way. */
  readonly damage: readonly Damage[];
}

interface Damage {
  readonly place: ScheduledPlace;
  readonly reason: string;
}

/** How many of one id are looked at together, to tell whether it names one publish. */
const NAMESAKES_PER_PAGE = 16;

/** A page of what waits in all shards, in the order of due times. */
export async function scheduledPage(
  ends: readonly EndpointEnd[],
  query: ParsedScheduledQuery,
  asker: Asker = ITSELF,
): Promise<ScheduledPage> {
  const { found, damage } = await foundIn(ends, query, asker);
  const publishes = found.map(({ publish }) => publish);
  const damaged = damage.length === 0 ? {} : { damaged: damage.length };
  if (found.length < query.limit) return { publishes, ...damaged };
  return { publishes, next: placeText(found.at(-1)!.place), ...damaged };
}

/** The first `query.limit` of all shards. */
async function foundIn(
  ends: readonly EndpointEnd[],
  query: ParsedScheduledQuery,
  asker: Asker,
): Promise<FoundPage> {
  const perShard = await Promise.all(ends.map((end) => waitingOf(end, query, asker)));
  const found = perShard.flatMap((page) => page.found);
  const first = found.sort(inOrder).slice(0, query.limit);
  const last = first.length < query.limit ? undefined : first.at(-1);
  const damage = perShard.flatMap((page) => page.damage);
  // What is behind the last one belongs to the next page.
  return {
    found: first,
    damage: damage.filter((one) => last === undefined || inOrder(one, last) < 0),
  };
}

/** At most `query.limit` of one shard. */
async function waitingOf(
  end: EndpointEnd,
  { patterns, id, limit, after }: ParsedScheduledQuery,
  asker: Asker,
): Promise<FoundPage> {
  const found: Found[] = [];
  const damage: Damage[] = [];
  for (let from: WaitingPlace | null = startIn(end.shard, after); from !== null; ) {
    const request = { patterns, id, after: from, limit: limit - found.length };
    const page: WaitingPage = await asker.readInTurn(0, () => {
      assertIsThere(asker);
      return end.call('waiting', () => request);
    });
    for (const entry of page.publishes) found.push(foundOf(end.shard, entry));
    for (const { dueAt, number, reason } of page.damage) {
      damage.push({ place: { dueAt, shard: end.shard, number }, reason });
    }
    from = found.length < limit ? page.next : null;
  }
  return { found, damage };
}

/** Places are in the order of due times, then of shards, then of numbers. */
function startIn(shard: number, after: ScheduledPlace | undefined): WaitingPlace {
  if (after === undefined) return FIRST_WAITING;
  const { dueAt, number } = after;
  if (shard === after.shard) return { dueAt, number };
  return { dueAt, number: shard < after.shard ? Number.MAX_SAFE_INTEGER : 0 };
}

type Placed = Pick<Found, 'place'>;

function inOrder({ place: a }: Placed, { place: b }: Placed): number {
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

/**
 * The waiting publish of an id and, if one is named, a source.
 * @throws BusError `CONFLICT` if there are several, `STORE_CORRUPT` if the only one that it may be is damaged
 */
async function namesakes(
  ends: readonly EndpointEnd[],
  patterns: readonly string[],
  id: string,
  source: string | undefined,
): Promise<readonly ScheduledPublish[]> {
  const meant: ScheduledPublish[] = [];
  let reason: string | undefined;
  for (let after: ScheduledPlace | undefined; ; ) {
    const { found, damage } = await foundIn(
      ends,
      { patterns, id, limit: NAMESAKES_PER_PAGE, after },
      ITSELF,
    );
    for (const { publish } of found) {
      if (source === undefined || publish.source === source) meant.push(publish);
    }
    if (meant.length > 1) throw severalWait(id, meant);
    reason ??= damage[0]?.reason;
    after = found.at(-1)?.place;
    if (after !== undefined) continue;
    if (meant.length === 0 && reason !== undefined) throw damagedWaiting(reason);
    return meant;
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
