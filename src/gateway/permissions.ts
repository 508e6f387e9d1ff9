import type { Principal } from '../auth/principal.js';
import { BusError } from '../protocol/errors.js';
import type { EventInput, PublishAck } from '../protocol/event.js';
import type { FilterData } from '../protocol/filter.js';
import { PATTERNS_PER_FILTER_MAX } from '../protocol/limits.js';
import { quote } from '../protocol/quote.js';
import { StoredAck } from '../protocol/stored-ack.js';
import { assertPattern, assertPublishTopic } from '../protocol/topic.js';

/**
 * What a principal may do, asked before anything is done for it. What is malformed keeps the code
 * that the bus would give it: only what would else be carried out is `FORBIDDEN`.
 */

/**
 * The events as they are published: with the source that the principal is held to.
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
 * The bounds of a filter come first: what its patterns cost to compare with the grants is then bounded too.
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

/** @throws BusError `FORBIDDEN`, `PATTERN_INVALID` */
export function assertMayAdminister(principal: Principal, pattern: string): void {
  if (principal.mayAdminister(pattern)) return;
  assertPattern(pattern);
  throw forbidden(principal, 'administer', 'pattern', pattern);
}

/**
 * For what lasts: an upload or an answer that began while the token held must not outlive it.
 *
 * @throws BusError `UNAUTHENTICATED`
 */
export function assertStillHolds({ expiresAt, isRevoked }: Principal): void {
  if (isRevoked) throw new BusError('UNAUTHENTICATED', 'the key or token was revoked or changed');
  if (expiresAt === undefined || Date.now() < expiresAt) return;
  throw new BusError('UNAUTHENTICATED', 'the token has expired');
}

/**
 * Where the logs stood before what these acks tell of, for whoever may read what comes after it: to others it would only tell
 * how much is published.
 */
export function cursorBefore(
  { readable }: Principal,
  acks: readonly PublishAck[],
): string | undefined {
  return readable.length === 0 ? undefined : StoredAck.cursorBefore(acks);
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
