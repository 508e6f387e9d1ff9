import { TOPIC_SEGMENTS_MAX } from './limits.js';

/**
 * A set of patterns, and the question whether it covers another pattern: whether every topic that the other one
 * matches is matched by one of the set. Exact over the whole set, wildcards and the `$` rule included. Any thread.
 *
 * Segments are free text, so whatever the set names, there is a segment that it does not name. A wildcard of the asked
 * pattern stands for that segment too, and only wildcards of the set match it. So it is enough to ask about one topic
 * of each length: the pattern itself, with every wildcard taken as a segment that nobody names. A trailing `*` makes
 * several lengths; there, and only there, patterns can cover together what none covers alone.
 *
 * The set is a tree of segments, so that an answer takes as long as the asked pattern and what it may meet, however many
 * patterns there are: strangers choose what is asked, and how often.
 */
export class PatternSet {
  readonly #root: Node = newNode();
  readonly isEmpty: boolean;

  /** @param patterns well-formed */
  constructor(patterns: readonly string[]) {
    this.isEmpty = patterns.length === 0;
    for (const pattern of patterns) this.#add(pattern.split('.'));
  }

  /**
   * @param pattern A topic or a pattern. What is neither is covered or not by the letter; the bus refuses it anyway.
   */
  covers(pattern: string): boolean {
    const asked = pattern.split('.');
    const shortest = asked.length;
    const isOpen = asked[shortest - 1] === '*';
    const longest = isOpen ? TOPIC_SEGMENTS_MAX : shortest;
    const isOfTheBus = pattern.startsWith('$');
    let nodes: readonly Node[] = [this.#root];
    // One of the set matches all that is longer than what has been walked.
    let isOpenFrom = false;
    for (let length = 1; length <= longest; length++) {
      const mayBeWild = length > 1 || !isOfTheBus;
      isOpenFrom ||= mayBeWild && nodes.some(({ isOpenBelow }) => isOpenBelow);
      nodes = childrenOf(nodes, asked[length - 1], mayBeWild);
      if (length < shortest) continue;
      if (isOpenFrom) return true;
      if (!nodes.some(({ isEnd }) => isEnd)) return false;
    }
    return shortest <= longest;
  }

  #add(segments: readonly string[]): void {
    const last = segments.length - 1;
    let node = this.#root;
    for (const [index, segment] of segments.entries()) {
      if (segment === '*' && index === last) {
        node.isOpenBelow = true;
        return;
      }
      if (segment === '*' || segment === '+') node = node.wildcard ??= newNode();
      else {
        const child = node.children.get(segment) ?? newNode();
        node.children.set(segment, child);
        node = child;
      }
    }
    node.isEnd = true;
  }
}

interface Node {
  readonly children: Map<string, Node>;
  /** For `+`, and for `*` that is not last. */
  wildcard: Node | undefined;
  /** A pattern ends here. */
  isEnd: boolean;
  /** A pattern ends in `*` below here: one or more segments. */
  isOpenBelow: boolean;
}

function newNode(): Node {
  return { children: new Map(), wildcard: undefined, isEnd: false, isOpenBelow: false };
}

/** `segment`: undefined for one beyond the asked pattern. A wildcard in it is no child's name. */
function childrenOf(
  nodes: readonly Node[],
  segment: string | undefined,
  mayBeWild: boolean,
): readonly Node[] {
  const found: Node[] = [];
  for (const { children, wildcard } of nodes) {
    const child = segment === undefined ? undefined : children.get(segment);
    if (child !== undefined) found.push(child);
    if (mayBeWild && wildcard !== undefined) found.push(wildcard);
  }
  return found;
}
