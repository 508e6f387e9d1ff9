import type { Principal } from '../auth/principal.js';
import type { Asker } from '../endpoint/asker.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type {
  EventHandler,
  GetOptions,
  Query,
  SubscribeOptions,
  Subscription,
} from '../protocol/bus-api.js';
import { decodeCursor } from '../protocol/cursor.js';
import type { Event } from '../protocol/event.js';
import type { FilterData } from '../protocol/filter.js';
import { PATTERNS_PER_FILTER_MAX } from '../protocol/limits/events.js';
import { patternsMeet } from '../protocol/patterns-meet.js';
import { assertPattern, hasWildcard } from '../protocol/topic.js';
import { type Pages, singly } from './pages.js';

/**
 * Subscribes and reads on behalf of one client (`Asker`). An endpoint that the user made, such as a wrapper, has no
 * internals: the asker is then ignored.
 */

/** A subscription, and its position in each shard's log. */
export interface Subscribed {
  readonly subscription: Subscription;
  positions(): readonly number[];
}

export function subscribeFor(
  endpoint: BusEndpoint,
  asker: Asker,
  filter: FilterData,
  handler: EventHandler,
  options: SubscribeOptions,
): Subscribed {
  const internals = internalsOf(endpoint);
  if (internals === undefined) {
    const subscription = endpoint.subscribe(filter, handler, options);
    return { subscription, positions: () => decodeCursor(subscription.cursor).positions };
  }
  const subscription = internals.subscribe(asker, filter, handler, options);
  return { subscription, positions: () => subscription.positions };
}

/**
 * Finds the newest event with this id among the topics and patterns in `topics`. Events that the principal may not read
 * are passed over; undefined where none is left.
 */
export async function findFor(
  endpoint: BusEndpoint,
  { asker, principal }: { readonly asker: Asker; readonly principal: Principal },
  topics: readonly string[],
  id: string,
  options: GetOptions,
): Promise<Event | undefined> {
  for (const topic of topics) assertPattern(topic);
  const asked = readableParts(principal, topics);
  if (asked.length === 0) return undefined;
  const internals = internalsOf(endpoint);
  if (internals === undefined) {
    const event = await endpoint.get(asked, id, options);
    return event !== undefined && principal.maySubscribe(event.topic) ? event : undefined;
  }
  for await (const event of internals.find(asker, asked, id, options)) {
    if (principal.maySubscribe(event.topic)) return event;
  }
  return undefined;
}

/**
 * The parts of the patterns that the principal may read. Only among these a reader looks: what it finds elsewhere and
 * passes over takes time, and that would tell of events that the principal may not read. Where they are too many for a
 * filter, the patterns themselves.
 */
function readableParts(principal: Principal, topics: readonly string[]): readonly string[] {
  const parts = new Set<string>();
  for (const topic of topics) {
    if (principal.maySubscribe(topic)) parts.add(topic);
    else if (hasWildcard(topic)) {
      for (const one of principal.readable) addMeeting(parts, topic, one);
    }
    if (parts.size > PATTERNS_PER_FILTER_MAX) return topics;
  }
  return [...parts];
}

function addMeeting(parts: Set<string>, topic: string, readable: string): void {
  const part = patternsMeet(topic, readable);
  if (part !== undefined) parts.add(part);
}

export function readFor(endpoint: BusEndpoint, asker: Asker, query: Query): Pages<Event> {
  return internalsOf(endpoint)?.pages(asker, query) ?? singly(endpoint.read(query));
}
