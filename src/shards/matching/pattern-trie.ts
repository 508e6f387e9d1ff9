import { PATTERN_CHANGES_KEPT } from '../../protocol/limits/shards.js';
import { matchesPattern } from '../../protocol/topic.js';

/**
 * A trie of patterns by segment: the time to find a topic's patterns depends on how many match, not on how many there
 * are. Owned by one shard's thread. Patterns and topics are trusted to be well-formed.
 *
 * ```
 *   worker.+.complete → A      (root) ─ worker ─ + ─ complete   values: A
 *   worker.*          → B                   └── rest: B          one or more segments from here
 * ```
 *
 * A `*` that is not last has the meaning of `+` and takes the same branch. `matchesPattern` in `src/protocol/topic.ts`
 * is the plain definition; tests compare the two.
 *
 * A pair of pattern and value that was added twice has to be removed twice.
 */

/** A node with more values than this counts them in a Map, because a removal would search the whole list. */
const VALUES_LISTED_MAX = 32;

/** The values of one pattern: a list while they are few, counted in a Map when they are many. */
type Values<T> = T[] | Map<T, number>;

class Node<T> {
  /** Children by literal segment. An only child stands here without a Map, which costs more than a node. */
  children: Map<string, Node<T>> | Node<T> | undefined;
  /** The child for `+`, and for `*` that is not last. */
  wildcard: Node<T> | undefined;
  /** Values of patterns that end here. */
  values: Values<T> | undefined;
  /** Values of patterns that go on with a last `*` here. */
  rest: Values<T> | undefined;
  readonly segment: string;

  constructor(segment: string) {
    this.segment = segment;
  }

  get isEmpty(): boolean {
    return (
      this.children === undefined &&
      this.wildcard === undefined &&
      this.values === undefined &&
      this.rest === undefined
    );
  }

  child(segment: string): Node<T> | undefined {
    const { children } = this;
    if (children === undefined) return undefined;
    if (children instanceof Node) return children.segment === segment ? children : undefined;
    return children.get(segment);
  }

  addChild(child: Node<T>): void {
    const { children } = this;
    if (children === undefined) this.children = child;
    else if (children instanceof Node) {
      this.children = new Map([
        [children.segment, children],
        [child.segment, child],
      ]);
    } else children.set(child.segment, child);
  }

  removeChild(child: Node<T>): void {
    const { children } = this;
    if (children === child) this.children = undefined;
    else if (children instanceof Map) {
      children.delete(child.segment);
      if (children.size === 0) this.children = undefined;
    }
  }
}

export class PatternTrie<T> {
  readonly #root = new Node<T>('');
  #nodes = 1;
  #size = 0;
  #generation = 0;
  /** The patterns of the last changes; generation `g` was made by the one at `g % PATTERN_CHANGES_KEPT`. */
  readonly #changed: string[] = [];

  /** How many pairs of pattern and value the trie holds. */
  get size(): number {
    return this.#size;
  }

  /** How many nodes the trie holds, which its memory grows with; 1 when it is empty. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Grows with every change; a cache of matches compares it to tell whether they still hold. */
  get generation(): number {
    return this.#generation;
  }

  /** True if the values that match a topic may have changed since an earlier generation. */
  mayHaveChanged(topic: string, since: number): boolean {
    if (this.#generation - since > PATTERN_CHANGES_KEPT) return true;
    for (let i = since + 1; i <= this.#generation; i++) {
      if (matchesPattern(this.#changed[i % PATTERN_CHANGES_KEPT]!, topic)) return true;
    }
    return false;
  }

  add(pattern: string, value: T): void {
    const segments = pattern.split('.');
    const last = segments.length - 1;
    const isOpen = segments[last] === '*';
    let node = this.#root;
    for (let i = 0; i < (isOpen ? last : last + 1); i++) node = this.#descend(node, segments[i]!);
    if (isOpen) node.rest = withValue(node.rest, value);
    else node.values = withValue(node.values, value);
    this.#size++;
    this.#noteChange(pattern);
  }

  /** False if the pair was not there. */
  remove(pattern: string, value: T): boolean {
    const segments = pattern.split('.');
    if (!this.#removeFrom(this.#root, segments, 0, value)) return false;
    this.#size--;
    this.#noteChange(pattern);
    return true;
  }

  /** The values whose patterns match the topic, each once, in no particular order. */
  match(topic: string): T[] {
    const found = new Found<T>();
    const segments = topic.split('.');
    if (topic.charCodeAt(0) !== DOLLAR_CODE) collect(this.#root, segments, 0, found);
    else {
      // The topic is one of the bus's own: no wildcard matches its first segment.
      const node = this.#root.child(segments[0]!);
      if (node !== undefined) collect(node, segments, 1, found);
    }
    return found.values();
  }

  #noteChange(pattern: string): void {
    this.#changed[++this.#generation % PATTERN_CHANGES_KEPT] = pattern;
  }

  #descend(node: Node<T>, segment: string): Node<T> {
    const isWild = isWildcard(segment);
    const known = isWild ? node.wildcard : node.child(segment);
    if (known !== undefined) return known;
    const child = new Node<T>(segment);
    if (isWild) node.wildcard = child;
    else node.addChild(child);
    this.#nodes++;
    return child;
  }

  /** Removes the pair below a node, and on the way back the nodes that have become empty. */
  #removeFrom(node: Node<T>, segments: readonly string[], at: number, value: T): boolean {
    const last = segments.length - 1;
    if (at > last) {
      if (!removeValue(node.values, value)) return false;
      if (isWithoutValues(node.values)) node.values = undefined;
      return true;
    }
    const segment = segments[at]!;
    if (at === last && segment === '*') {
      if (!removeValue(node.rest, value)) return false;
      if (isWithoutValues(node.rest)) node.rest = undefined;
      return true;
    }
    const child = isWildcard(segment) ? node.wildcard : node.child(segment);
    if (child === undefined || !this.#removeFrom(child, segments, at + 1, value)) return false;
    if (!child.isEmpty) return true;
    if (child === node.wildcard) node.wildcard = undefined;
    else node.removeChild(child);
    this.#nodes--;
    return true;
  }
}

const DOLLAR_CODE = 0x24;

function isWildcard(segment: string): boolean {
  return segment === '+' || segment === '*';
}

function collect<T>(node: Node<T>, segments: readonly string[], at: number, found: Found<T>): void {
  if (at === segments.length) {
    if (node.values !== undefined) found.take(node.values);
    return;
  }
  if (node.rest !== undefined) found.take(node.rest);
  const child = node.child(segments[at]!);
  if (child !== undefined) collect(child, segments, at + 1, found);
  if (node.wildcard !== undefined) collect(node.wildcard, segments, at + 1, found);
}

function withValue<T>(values: Values<T> | undefined, value: T): Values<T> {
  if (values === undefined) return [value];
  if (Array.isArray(values)) {
    if (values.length < VALUES_LISTED_MAX) {
      values.push(value);
      return values;
    }
    const counts = new Map<T, number>();
    for (const each of values) counts.set(each, (counts.get(each) ?? 0) + 1);
    counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts;
  }
  values.set(value, (values.get(value) ?? 0) + 1);
  return values;
}

function removeValue<T>(values: Values<T> | undefined, value: T): boolean {
  if (values === undefined) return false;
  if (Array.isArray(values)) {
    const index = values.indexOf(value);
    if (index < 0) return false;
    values.splice(index, 1);
    return true;
  }
  const count = values.get(value);
  if (count === undefined) return false;
  if (count === 1) values.delete(value);
  else values.set(value, count - 1);
  return true;
}

function isWithoutValues<T>(values: Values<T> | undefined): boolean {
  return values !== undefined && (Array.isArray(values) ? values.length : values.size) === 0;
}

/** Gathers the values of several nodes, each once; a few values need no Set. */
class Found<T> {
  readonly #list: T[] = [];
  #set: Set<T> | undefined;

  take(values: Values<T>): void {
    for (const value of Array.isArray(values) ? values : values.keys()) this.#takeOne(value);
  }

  values(): T[] {
    return this.#list;
  }

  #takeOne(value: T): void {
    const list = this.#list;
    if (this.#set === undefined) {
      if (list.length < FOUND_SEARCHED_MAX) {
        if (!list.includes(value)) list.push(value);
        return;
      }
      this.#set = new Set(list);
    }
    const before = this.#set.size;
    if (this.#set.add(value).size > before) list.push(value);
  }
}

/** Up to this many, searching the list beats building a Set. */
const FOUND_SEARCHED_MAX = 8;
