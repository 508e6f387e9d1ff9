import type { Principal } from '../auth/principal.js';
import type { Asker } from '../endpoint/asker.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { TopicInfo } from '../protocol/bus-api.js';
import { TOPICS_SORTED_MAX } from '../protocol/limits/gateway.js';
import { PatternSet } from '../protocol/pattern-set.js';
import { assertPattern } from '../protocol/topic.js';
import { assertMayRead } from './permissions.js';

/**
 * The topics that match a pattern, or all that the principal may read. The shards are asked only for topics that the
 * principal may read, a page at a time, and not at all where it may read nothing; so no long list is held as a whole. A
 * list of at most `TOPICS_SORTED_MAX` is sorted by name, a longer one is not.
 *
 * @throws BusError `FORBIDDEN`, `PATTERN_INVALID`; synchronously
 */
export function topicPages(
  endpoint: BusEndpoint,
  principal: Principal,
  pattern: string | undefined,
  asker: Asker,
): AsyncGenerator<readonly TopicInfo[]> {
  // Without a pattern the list is cut to the topics that may be read; a pattern must be covered by the grants.
  if (pattern !== undefined) {
    assertMayRead(principal, pattern);
    assertPattern(pattern);
  }
  const patterns = pattern === undefined ? principal.readable : [pattern];
  return sortedWhileShort(pagesOf(endpoint, patterns, asker));
}

async function* pagesOf(
  endpoint: BusEndpoint,
  patterns: readonly string[],
  asker: Asker,
): AsyncGenerator<readonly TopicInfo[]> {
  if (patterns.length === 0) return;
  const internals = internalsOf(endpoint);
  if (internals !== undefined) {
    yield* internals.topicPages(patterns, asker);
    return;
  }
  // The endpoint is a wrapper that the user made; it has no internals.
  const wanted = new PatternSet(patterns);
  const [only] = patterns;
  const topics = await endpoint.topics(patterns.length === 1 ? only : undefined);
  yield topics.filter(({ name }) => wanted.covers(name));
}

async function* sortedWhileShort(
  pages: AsyncGenerator<readonly TopicInfo[]>,
): AsyncGenerator<readonly TopicInfo[]> {
  let held: TopicInfo[] | undefined = [];
  for await (const page of pages) {
    if (held === undefined) yield page;
    else {
      held.push(...page);
      if (held.length <= TOPICS_SORTED_MAX) continue;
      yield held;
      held = undefined;
    }
  }
  if (held !== undefined) yield held.sort((a, b) => (a.name < b.name ? -1 : 1));
}
