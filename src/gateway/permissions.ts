import type { Principal } from '../auth/principal.js';
import type { TopicInfo } from '../main/bus.js';
import { BusError } from '../protocol/errors.js';
import type { EventInput } from '../protocol/event.js';
import type { FilterInput } from '../protocol/filter.js';
import { quote } from '../protocol/quote.js';
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

/** @throws BusError `FORBIDDEN`, `PATTERN_INVALID` */
export function assertMayRead(principal: Principal, filter: FilterInput): void {
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
  if (isRevoked) throw new BusError('UNAUTHENTICATED', 'the key was revoked or changed');
  if (expiresAt === undefined || Date.now() < expiresAt) return;
  throw new BusError('UNAUTHENTICATED', 'the token has expired');
}

export function readableTopics(
  principal: Principal,
  topics: readonly TopicInfo[],
): readonly TopicInfo[] {
  return topics.filter(({ name }) => principal.maySubscribe(name));
}

function patternsOf(filter: FilterInput): readonly string[] {
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
