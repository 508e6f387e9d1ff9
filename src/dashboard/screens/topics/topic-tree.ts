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
}

/** A list of topics at a time, ms since 1970. */
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
  const visit = (node: TopicNode, level: number): void => {
    for (const child of sorted(node)) {
      const open = child.children.size > 0 && isOpen(child.path);
      rows.push({ node: child, level, isOpen: open });
      if (open) visit(child, level + 1);
    }
  };
  visit(root, 1);
  return rows;
}

/** Topics whose names contain the text, as a flat list. */
export function matching(root: TopicNode, text: string): TreeRow[] {
  const rows: TreeRow[] = [];
  const wanted = text.toLowerCase();
  const visit = (node: TopicNode): void => {
    for (const child of sorted(node)) {
      const isFound = child.topic !== undefined && child.path.toLowerCase().includes(wanted);
      if (isFound) rows.push({ node: child, level: 1, isOpen: false });
      visit(child);
    }
  };
  visit(root);
  return rows;
}

/** The pattern that subscribes to a node: a topic by its name, a branch with everything below it. */
export function patternsOf(node: TopicNode): string[] {
  const below = node.children.size > 0 ? [`${node.path}.*`] : [];
  return node.topic === undefined ? below : [node.path, ...below];
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
    topic: undefined,
    topics: 0,
    events: 0,
    rate: undefined,
    lastAt: 0,
  };
}

function sorted({ children }: TopicNode): TopicNode[] {
  return [...children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
