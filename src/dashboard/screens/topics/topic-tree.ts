import type { TopicInfo } from 'millrace/client';

/**
 * Topics as a tree by their segments. A branch sums up the topics below it. A topic that others begin with, such as `a`
 * beside `a.b`, is a branch and a topic at once. Pure.
 */

export interface TopicNode {
  /** The segment, which is the end of the path. */
  readonly name: string;
  readonly path: string;
  readonly children: Map<string, TopicNode>;
  /** The children in the order of their names, once they were asked for. */
  ordered: readonly TopicNode[] | undefined;
  /** Set if events were published to this very path. */
  topic: TopicInfo | undefined;
  /** Topics at and below this node. */
  topics: number;
  events: number;
  /** Events per second since the list before; undefined before the second list. */
  rate: number | undefined;
  /** Milliseconds since 1970. */
  lastAt: number;
}

export interface TreeRow {
  readonly node: TopicNode;
  /** 1 for a first segment. */
  readonly level: number;
  readonly isOpen: boolean;
  /** From 1, among the rows with the same parent. */
  readonly position: number;
  readonly siblings: number;
}

/** A list of topics, and when it came, ms, by a clock that nobody sets: rates are told by the time between two lists. */
export interface TopicList {
  readonly at: number;
  readonly topics: readonly TopicInfo[];
}

/** `before`: an earlier list, from which rates are computed. */
export function treeOf(list: TopicList, before: TopicList | undefined): TopicNode {
  const root = nodeOf('', '');
  const earlier = before && new Map(before.topics.map((topic) => [topic.name, topic.events]));
  const seconds = before === undefined ? 0 : (list.at - before.at) / 1000;
  for (const topic of list.topics) {
    const came = earlier && Math.max(0, topic.events - (earlier.get(topic.name) ?? 0));
    const rate = came === undefined || seconds <= 0 ? undefined : came / seconds;
    add(root, topic, rate);
  }
  return root;
}

/** The rows that are shown: those below open branches, in the order of their names. */
export function rowsOf(root: TopicNode, isOpen: (path: string) => boolean): TreeRow[] {
  const rows: TreeRow[] = [];
  const visit = (parent: TopicNode, level: number): void => {
    const siblings = parent.children.size;
    let position = 0;
    for (const node of childrenOf(parent)) {
      const open = node.children.size > 0 && isOpen(node.path);
      rows.push({ node, level, isOpen: open, position: ++position, siblings });
      if (open) visit(node, level + 1);
    }
  };
  visit(root, 1);
  return rows;
}

/** The index of the row of a row's parent; that of the row itself where it has none. */
export function parentOf(rows: readonly TreeRow[], at: number): number {
  const level = rows[at]?.level ?? 1;
  for (let index = at - 1; index >= 0; index--) if (rows[index]!.level < level) return index;
  return at;
}

interface Named {
  readonly node: TopicNode;
  /** Its path in lower case. */
  readonly lower: string;
}

/**
 * Finds the topics of a tree whose names contain a text. Names are made lower case once, and a text that goes on from
 * the one before is looked for in what that one has found.
 */
export class TopicFinder {
  readonly #root: TopicNode;
  #text = '';
  #all: readonly Named[] | undefined;
  #found: readonly Named[] | undefined;

  constructor(root: TopicNode) {
    this.#root = root;
  }

  /** A flat list, in the order of the tree. */
  find(text: string): TreeRow[] {
    const wanted = text.toLowerCase();
    const isNarrower = this.#found !== undefined && wanted.includes(this.#text);
    this.#all ??= topicsOf(this.#root);
    const among = isNarrower ? this.#found! : this.#all;
    const found = among.filter(({ lower }) => lower.includes(wanted));
    this.#text = wanted;
    this.#found = found;
    const siblings = found.length;
    return found.map(({ node }, index) => ({
      node,
      level: 1,
      isOpen: false,
      position: index + 1,
      siblings,
    }));
  }
}

/** The pattern that subscribes to a node: a topic by its name, a branch with everything below it. */
export function patternsOf(node: TopicNode): string[] {
  const below = node.children.size > 0 ? [`${node.path}.*`] : [];
  return node.topic === undefined ? below : [node.path, ...below];
}

function topicsOf(root: TopicNode): Named[] {
  const topics: Named[] = [];
  const visit = (parent: TopicNode): void => {
    for (const node of childrenOf(parent)) {
      if (node.topic !== undefined) topics.push({ node, lower: node.path.toLowerCase() });
      visit(node);
    }
  };
  visit(root);
  return topics;
}

function add(root: TopicNode, topic: TopicInfo, rate: number | undefined): void {
  const lastAt = Date.parse(topic.lastAt);
  let node = root;
  count(node, topic, rate, lastAt);
  for (const name of topic.name.split('.')) {
    let child = node.children.get(name);
    if (child === undefined) {
      child = nodeOf(name, node.path === '' ? name : `${node.path}.${name}`);
      node.children.set(name, child);
    }
    node = child;
    count(node, topic, rate, lastAt);
  }
  node.topic = topic;
}

function count(node: TopicNode, topic: TopicInfo, rate: number | undefined, lastAt: number): void {
  node.topics++;
  node.events += topic.events;
  if (rate !== undefined) node.rate = (node.rate ?? 0) + rate;
  if (lastAt > node.lastAt) node.lastAt = lastAt;
}

function nodeOf(name: string, path: string): TopicNode {
  return {
    name,
    path,
    children: new Map(),
    ordered: undefined,
    topic: undefined,
    topics: 0,
    events: 0,
    rate: undefined,
    lastAt: 0,
  };
}

function childrenOf(node: TopicNode): readonly TopicNode[] {
  node.ordered ??= [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return node.ordered;
}
