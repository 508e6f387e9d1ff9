import { TOPIC_SEGMENTS_MAX } from '../protocol/limits.js';

/**
 * A set of granted patterns, and the question whether it covers another pattern: whether every topic that the other one
 * matches is matched by one of the set. Exact over the whole set, wildcards and the `$` rule included. Any thread.
 *
 * Segments are free text, so whatever the set names, there is a segment that it does not name. A wildcard of the asked
 * pattern stands for that segment too, and only wildcards of a grant match it. So it is enough to ask about one topic
 * of each length: the pattern itself, with every wildcard taken as a segment that nobody names. A trailing `*` makes
 * several lengths; there, and only there, grants can cover together what none covers alone.
 */
export class GrantSet {
  readonly #grants: readonly Grant[];

  constructor(patterns: readonly string[]) {
    this.#grants = patterns.map(parseGrant);
  }

  get isEmpty(): boolean {
    return this.#grants.length === 0;
  }

  /**
   * @param pattern A topic or a pattern. What is neither is covered or not by the letter; the bus refuses it anyway.
   */
  covers(pattern: string): boolean {
    const segments = pattern.split('.');
    const shortest = segments.length;
    if (segments[shortest - 1] !== '*') {
      return this.#grants.some((grant) => matches(grant, segments, shortest));
    }
    for (let length = shortest; length <= TOPIC_SEGMENTS_MAX; length++) {
      const covering = this.#grants.filter((grant) => matches(grant, segments, length));
      if (covering.length === 0) return false;
      // It matches the longer ones as well: what follows its `*` is free.
      if (covering.some((grant) => grant.isOpen)) return true;
    }
    return shortest <= TOPIC_SEGMENTS_MAX;
  }
}

/** A pattern, taken apart. */
export interface Grant {
  readonly segments: readonly string[];
  /** Whether its last segment is `*`, and so one or more. */
  readonly isOpen: boolean;
}

export function parseGrant(pattern: string): Grant {
  const segments = pattern.split('.');
  return { segments, isOpen: segments[segments.length - 1] === '*' };
}

/** Whether a grant matches a topic, given as its segments. */
export function grantMatches(grant: Grant, topic: readonly string[]): boolean {
  return matches(grant, topic, topic.length);
}

/**
 * Whether a grant matches a topic of `length` segments: those of `asked`, and beyond them ones that nobody names.
 * A wildcard in `asked` is one that nobody names as well, and does not start with `$`.
 */
function matches({ segments, isOpen }: Grant, asked: readonly string[], length: number): boolean {
  const own = segments.length;
  if (isOpen ? length < own : length !== own) return false;
  for (let i = 0; i < own; i++) {
    const segment = segments[i]!;
    if (segment === '*' || segment === '+') {
      if (i === 0 && asked[0]!.startsWith('$')) return false;
    } else if (i >= asked.length || segment !== asked[i]) return false;
  }
  return true;
}
