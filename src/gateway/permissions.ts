import type { Principal } from '../auth/principal.js';
import type { SubscriberInfo } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { EventInput, PublishAck } from '../protocol/event.js';
import type { FilterData } from '../protocol/filter.js';
import { PATTERNS_PER_FILTER_MAX } from '../protocol/limits/events.js';
import { patternsOverlap } from '../protocol/patterns-overlap.js';
import { quote } from '../protocol/quote.js';
import { StoredAck } from '../protocol/stored-ack.js';
import { assertPattern, assertPublishTopic } from '../protocol/topic.js';

/**
 * Checks what a principal may do, before anything is done for it. A malformed topic or pattern keeps the error code of
 * the bus: only a request that the bus would carry out is `FORBIDDEN`.
 */

/**
 * Checks that the principal may publish these events, and returns them with the source that the principal is held to.
 *
 * @throws BusError `FORBIDDEN`, `TOPIC_INVALID`
 */
export function permittedEvents(
  principal: Principal,
  events: readonly EventInput[],
): readonly EventInput[] {
  for (const { topic } of events) {
    if (principal.mayPublish(topic)) continue;
    assertPublishTopic(topic);
    throw forbidden(principal, 'publish to', 'topic', topic);
  }
  const { forcedSource } = principal;
  if (forcedSource === undefined) return events;
  return events.map((event) => ({ ...event, source: forcedSource }));
}

/**
 * Checks that the principal may read all that the filter matches. The number of patterns is checked first, which bounds
 * the cost of comparing them with the grants.
 *
 * @throws BusError `FORBIDDEN`, `PATTERN_INVALID`, `FILTER_INVALID`
 */
export function assertMayRead(principal: Principal, filter: FilterData): void {
  const { length } = patternsOf(filter);
  if (length > PATTERNS_PER_FILTER_MAX) {
    const message = `${length} patterns are more than the ${PATTERNS_PER_FILTER_MAX} of a filter`;
    throw new BusError('FILTER_INVALID', message, { details: { path: 'topics' } });
  }
  const pattern = principal.beyondSubscribe(patternsOf(filter));
  if (pattern === undefined) return;
  assertPattern(pattern);
  throw forbidden(principal, 'read', 'pattern', pattern);
}

/** Checks that the principal may publish on every topic that the pattern matches. @throws BusError `FORBIDDEN` */
export function assertMayPublishAll(principal: Principal, pattern: string): void {
  if (!principal.mayPublish(pattern)) throw forbidden(principal, 'publish to', 'pattern', pattern);
}

/** @throws BusError `FORBIDDEN`, `PATTERN_INVALID` */
export function assertMayAdminister(principal: Principal, pattern: string): void {
  if (principal.mayAdminister(pattern)) return;
  assertPattern(pattern);
  throw forbidden(principal, 'administer', 'pattern', pattern);
}

/**
 * The subscribers of a topic as its administrator may see them: of their patterns, those that reach into what the
 * principal administers. An administrator of the whole bus sees all.
 */
export function visibleSubscribers(
  principal: Principal,
  subscribers: readonly SubscriberInfo[],
): SubscriberInfo[] {
  if (principal.mayAdminister('*')) return [...subscribers];
  const { admin } = principal.access;
  const isVisible = (pattern: string): boolean =>
    admin.some((grant) => patternsOverlap(grant, pattern));
  return subscribers.map((one) => ({ ...one, topics: one.topics.filter(isVisible) }));
}

/**
 * Checks that the token or key is still valid: a long upload or answer must not outlive the token that it began with.
 *
 * @throws BusError `UNAUTHENTICATED`
 */
export function assertStillHolds({ expiresAt, isRevoked }: Principal): void {
  if (isRevoked) throw new BusError('UNAUTHENTICATED', 'the key or token was revoked or changed');
  if (expiresAt === undefined || Date.now() < expiresAt) return;
  throw new BusError('UNAUTHENTICATED', 'the token has expired');
}

/**
 * The cursor in front of the events that these acks confirm. Undefined for a principal that may read nothing: it could
 * only learn from a cursor how much others publish.
 */
export function cursorBefore(
  { readable }: Principal,
  acks: readonly PublishAck[],
): string | undefined {
  return readable.length === 0 ? undefined : StoredAck.cursorBefore(acks);
}

/**
 * A `CONFLICT` names the event that is there. A principal that may not read its topic is not told the event's id; it
 * learns the sequence, as it does from acks.
 */
export function withoutUnreadable(principal: Principal, error: unknown): unknown {
  if (!(error instanceof BusError) || error.code !== 'CONFLICT') return error;
  const { id, ...details } = error.details ?? {};
  const isReadable =
    typeof details.topic !== 'string' || principal.beyondSubscribe([details.topic]) === undefined;
  // The expectation of an event tells of somebody else's event; other conflicts name the publisher's own.
  if (id === undefined || isReadable || !('expected' in details)) return error;
  return new BusError(error.code, error.message, { details, cause: error });
}

export function patternCount(filter: FilterData): number {
  return patternsOf(filter).length;
}

function patternsOf(filter: FilterData): readonly string[] {
  if (typeof filter === 'string') return [filter];
  return 'topics' in filter ? filter.topics : filter;
}

function forbidden(
  { name }: Principal,
  action: string,
  kind: 'topic' | 'pattern',
  value: string,
): BusError {
  const message = `${quote(name)} may not ${action} ${kind} ${quote(value)}`;
  return new BusError('FORBIDDEN', message, { details: { [kind]: quote(value) } });
}
