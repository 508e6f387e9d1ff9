import type { Principal } from '../auth/principal.js';
import type { Asker } from '../endpoint/asker.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { TopicInfo } from '../protocol/bus-api.js';
import { TOPICS_SORTED_MAX } from '../protocol/limits.js';
import { PatternSet } from '../protocol/pattern-set.js';
import { assertPattern } from '../protocol/topic.js';
import { assertMayRead } from './permissions.js';

/**
 * The topics that a principal may read, of all or of those that match a pattern. The shards are asked by what may be
 * read, and a page at a time: who may read nothing asks nobody, and nobody's list is held as a whole. A short list is in the
 * order of its names, a long one in none.
 *
 * @throws BusError `FORBIDDEN`, `PATTERN_INVALID`, when it is called
 */
export function topicList(
  endpoint: BusEndpoint,
  principal: Principal,
  pattern: string | undefined,
  asker: Asker,
): AsyncGenerator<TopicInfo> {
  // Who asks for all of them gets those that it may read; who asks for some must be allowed to.
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
  // A wrapper of the user's around an endpoint.
  const wanted = new PatternSet(patterns);
  const [only] = patterns;
  const topics = await endpoint.topics(patterns.length === 1 ? only : undefined);
  yield topics.filter(({ name }) => wanted.covers(name));
}

async function* sortedWhileShort(
  pages: AsyncGenerator<readonly TopicInfo[]>,
): AsyncGenerator<TopicInfo> {
  let held: TopicInfo[] | undefined = [];
  for await (const page of pages) {
    if (held === undefined) yield* page;
    else {
      held.push(...page);
      if (held.length <= TOPICS_SORTED_MAX) continue;
      yield* held;
      held = undefined;
    }
  }
  if (held !== undefined) yield* held.sort((a, b) => (a.name < b.name ? -1 : 1));
}
