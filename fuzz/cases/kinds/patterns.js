import { hold, shown } from '../hold.js';

/**
 * Which patterns match, cover and overlap which: the trie of the shards, the set of grants and the plain definition,
 * compared with a regular expression and with all topics there are over a small alphabet. A case has `patterns` that
 * are added to a trie, some of them `removed`, and `topics` that are asked.
 */

const NAMES = ['a', 'b', '$a', '$', 'é'];
const WITH_WILDCARDS = [...NAMES, '*', '+', '*', '+'];
const FRESH = 'nobody';

export async function open(load) {
  const { matchesPattern } = await load('protocol/topic.js');
  const { patternsOverlap } = await load('protocol/patterns-overlap.js');
  const { PatternSet } = await load('protocol/pattern-set.js');
  const { PatternTrie } = await load('shards/matching/pattern-trie.js');
  const { TopicMatches } = await load('shards/matching/topic-matches.js');
  const product = { matchesPattern, patternsOverlap, PatternSet, PatternTrie, TopicMatches };
  return { make, check: (one) => check(one, product) };
}

function path(random, names, most) {
  return Array.from({ length: 1 + random.below(most) }, () => random.pick(names)).join('.');
}

function make(random) {
  const most = random.chance(0.6) ? 2 : 4;
  const list = (names, count) =>
    Array.from({ length: 1 + random.below(count) }, () => path(random, names, most));
  const patterns = list(WITH_WILDCARDS, random.chance(0.05) ? 80 : 5);
  const removed = patterns.map((_, at) => at).filter(() => random.chance(0.3));
  return { patterns, removed, topics: list(NAMES, 3) };
}

/** @param {{ patterns: string[], removed: number[], topics: string[] }} one */
function check({ patterns, removed, topics }, product) {
  checkTrie(patterns, removed, topics, product);
  const segments = [...patterns, ...topics].flatMap((one) => one.split('.'));
  const longest = Math.max(...patterns.map((one) => one.split('.').length));
  if (longest > 2) return;
  const names = [...new Set(segments.filter((one) => one !== '*' && one !== '+')), FRESH];
  const known = allTopics(names, longest + 1).map((topic) => [
    topic,
    patterns.map((pattern) => isMatch(pattern, topic)),
  ]);
  checkCovers(patterns, known, product);
  for (let at = 1; at < Math.min(patterns.length, 4); at++) {
    const meets = known.some(([, matches]) => matches[0] && matches[at]);
    const told = product.patternsOverlap(patterns[0], patterns[at]);
    hold(told === meets, () => `${patterns[0]} and ${patterns[at]} overlap: ${told}, not ${meets}`);
    const turned = product.patternsOverlap(patterns[at], patterns[0]);
    hold(turned === meets, () => `${patterns[at]} and ${patterns[0]} overlap: ${turned}`);
  }
}

/** The first pattern is asked of the set of the others. */
function checkCovers(patterns, known, { PatternSet }) {
  const [asked, ...others] = patterns;
  const set = new PatternSet(others);
  const isCovered = known.every(
    ([, [isAsked, ...byOthers]]) => !isAsked || byOthers.includes(true),
  );
  const told = set.covers(asked);
  hold(told === isCovered, () => `${shown(others)} covers ${asked}: ${told}, not ${isCovered}`);
}

function checkTrie(patterns, removed, topics, { matchesPattern, PatternTrie, TopicMatches }) {
  const trie = new PatternTrie();
  const cached = new TopicMatches(trie, (_, matched) => [...matched].sort(), 3, 100);
  const held = [];
  const compare = () => {
    for (const topic of topics) {
      const expected = held
        .filter(([pattern]) => isMatch(pattern, topic))
        .map(([, value]) => value);
      const wanted = [...new Set(expected)].sort().join();
      const found = trie.match(topic).sort().join();
      hold(found === wanted, () => `${topic}: the trie finds ${found}, and not ${wanted}`);
      const remembered = cached.get(topic).join();
      hold(remembered === wanted, () => `${topic}: the cache has ${remembered}, and not ${wanted}`);
    }
  };
  for (const [at, pattern] of patterns.entries()) {
    const value = `v${at % 3}`;
    trie.add(pattern, value);
    held.push([pattern, value]);
    if (at < 6) compare();
    for (const topic of topics) {
      const told = matchesPattern(pattern, topic);
      hold(told === isMatch(pattern, topic), () => `${pattern} matches ${topic}: ${told}`);
    }
  }
  for (const at of removed) {
    const value = `v${at % 3}`;
    const index = held.findIndex(([pattern, one]) => pattern === patterns[at] && one === value);
    hold(trie.remove(patterns[at], value) === index >= 0, () => `remove ${patterns[at]}, ${value}`);
    if (index >= 0) held.splice(index, 1);
  }
  compare();
  hold(trie.size === held.length, () => `the trie has ${trie.size} pairs, and not ${held.length}`);
  for (const [pattern, value] of held) trie.remove(pattern, value);
  hold(trie.nodes === 1 && trie.size === 0, () => `an empty trie has ${trie.nodes} nodes`);
}

const expressions = new Map();

/** By a regular expression, from the table in docs/PROTOCOL.md. */
export function isMatch(pattern, topic) {
  let expression = expressions.get(pattern);
  if (expression === undefined) {
    const parts = pattern.split('.').map((segment, at, { length }) => {
      const first = at === 0 ? '(?!\\$)' : '';
      if (segment === '*' && at === length - 1) return `${first}.+`;
      if (segment === '*' || segment === '+') return `${first}[^.]+`;
      return segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    });
    expression = new RegExp(`^${parts.join('\\.')}$`, 'su');
    if (expressions.size > 20_000) expressions.clear();
    expressions.set(pattern, expression);
  }
  return expression.test(topic);
}

function allTopics(names, longest) {
  const all = [];
  let last = [''];
  for (let length = 1; length <= longest; length++) {
    last = last.flatMap((start) => names.map((name) => (start === '' ? name : `${start}.${name}`)));
    all.push(...last);
  }
  return all;
}
