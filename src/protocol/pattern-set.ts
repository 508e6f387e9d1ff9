import { TOPIC_SEGMENTS_MAX } from './limits/events.js';

/**
 * A set of patterns that says whether it covers another pattern: whether every topic that the other pattern matches is
 * matched by some pattern of the set. Exact over the whole set, wildcards and the `$` rule included. Any thread.
 *
 * Segments are free text, so there is always a segment that the set does not name. A wildcard of the asked pattern
 * stands for that segment too, and only wildcards of the set match it. So it is enough to test one topic of each
 * length: the asked pattern itself, with every wildcard taken as a segment that the set does not name. Only a trailing
 * `*` makes several lengths; only then can several patterns together cover a pattern that none of them covers alone.
 *
 * The set is a tree of segments, so that the time of an answer depends on the asked pattern and the nodes it reaches,
 * not on the number of patterns: untrusted clients choose the patterns asked, and how often.
 */
export class PatternSet {
  readonly #root: Node = newNode();
  readonly isEmpty: boolean;

  /** @param patterns well-formed */
  constructor(patterns: readonly string[]) {
    this.isEmpty = patterns.length === 0;
    for (const pattern of patterns) this.#add(pattern.split('.'));
  }

  /** @param pattern a topic or a pattern; for malformed text the result means nothing, and the bus refuses it anyway */
  covers(pattern: string): boolean {
    const asked = pattern.split('.');
    const shortest = asked.length;
    const isOpen = asked[shortest - 1] === '*';
    const longest = isOpen ? TOPIC_SEGMENTS_MAX : shortest;
    const isOfTheBus = pattern.startsWith('$');
    let nodes: readonly Node[] = [this.#root];
    // A pattern of the set, ending in `*`, matches every topic that continues the segments walked so far.
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
  /** A pattern ends in `*` right below this node, so one or more further segments match. */
  isOpenBelow: boolean;
}

function newNode(): Node {
  return { children: new Map(), wildcard: undefined, isEnd: false, isOpenBelow: false };
}

/**
 * The nodes reached by one segment. `segment` is `undefined` beyond the end of the asked pattern; a wildcard is not the
 * name of any child.
 */
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
