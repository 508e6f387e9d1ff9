import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { matchesPattern } from '../dist/protocol/topic.js';
import { PatternTrie } from '../dist/shards/matching/pattern-trie.js';
import { TopicMatches } from '../dist/shards/matching/topic-matches.js';

/**
 * Topic matching with up to a million patterns, on one thread: the cost of a match, uncached and remembered, of adding
 * and of removing a pattern, and the memory. Every size is checked against the naive matcher on sampled topics.
 *
 * node bench/match-million-patterns.js [SIZE …]
 */

const SIZES = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1e3, 1e4, 1e5, 1e6];
const TOPICS = 10_000;
const MATCHES = 300_000;
/** The naive matcher tries every pattern, so large sizes get fewer samples. */
const NAIVE_COMPARISONS = 4e6;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

if (SIZES.some((size) => !Number.isInteger(size) || size < 1)) {
  console.error(`sizes ${process.argv.slice(2).join(' ')} are not positive integers`);
  process.exit(2);
}
console.log(
  `match-million-patterns: 1 thread of ${availableParallelism()} cores, Node ${process.version}`,
);
console.table(SIZES.map(measure));

function measure(size) {
  const patterns = Array.from({ length: size }, (_, i) => patternOf(i));
  const topics = Array.from({ length: TOPICS }, (_, i) => topicOf((i * 7919) % size));
  const bytesBefore = heapBytes();
  const trie = new PatternTrie();
  const addNs = nanosecondsPer(size, (i) => trie.add(patterns[i], i));
  const bytes = heapBytes() - bytesBefore;
  const samples = checkAgainstNaive(trie, patterns, topics);

  let matched = 0;
  const matchNs = nanosecondsPer(MATCHES, (i) => {
    matched += trie.match(topics[i % TOPICS]).length;
  });
  const matches = new TopicMatches(trie, (_topic, values) => values);
  for (const topic of topics) matches.get(topic);
  let remembered = 0;
  const rememberedNs = nanosecondsPer(MATCHES, (i) => {
    remembered += matches.get(topics[i % TOPICS]).length;
  });
  if (remembered !== matched) throw new Error(`remembered ${remembered} matches of ${matched}`);

  const removeNs = nanosecondsPer(size, (i) => {
    if (!trie.remove(patterns[i], i)) throw new Error(`${patterns[i]} was not there`);
  });
  if (trie.nodes !== 1 || trie.size !== 0) throw new Error(`${trie.nodes} nodes are left`);
  return {
    patterns: size,
    'matched per topic': (matched / MATCHES).toFixed(2),
    'match ns': Math.round(matchNs),
    'remembered ns': Math.round(rememberedNs),
    'adds/s': Math.round(1e9 / addNs),
    'removes/s': Math.round(1e9 / removeNs),
    'bytes per pattern': Math.round(bytes / size),
    'topics checked': samples,
  };
}

/** Half of the patterns are plain topics; the others have wildcards in various places. */
function patternOf(i) {
  const organisation = i % 1000;
  switch (i % 8) {
    case 0:
      return `org.${organisation}.user.${i}.*`;
    case 1:
      return `org.${organisation}.+.${i}.state`;
    case 2:
      return `org.*.user.${i}.+`;
    case 3:
      return i < 800 ? `*.${organisation}.*` : `org.${organisation}.user.${i}.+.*`;
    default:
      return `org.${organisation}.user.${i}.state`;
  }
}

function topicOf(i) {
  return `org.${i % 1000}.user.${i}.state`;
}

function checkAgainstNaive(trie, patterns, topics) {
  const samples = Math.min(
    topics.length,
    Math.max(3, Math.floor(NAIVE_COMPARISONS / patterns.length)),
  );
  for (let i = 0; i < samples; i++) {
    const topic = topics[(i * 31) % topics.length];
    const expected = [];
    for (let p = 0; p < patterns.length; p++)
      if (matchesPattern(patterns[p], topic)) expected.push(p);
    const found = trie.match(topic).sort((a, b) => a - b);
    if (found.join() !== expected.join()) throw new Error(`${topic}: ${found}, not ${expected}`);
  }
  return samples;
}

function nanosecondsPer(count, action) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) action(i);
  return Number(process.hrtime.bigint() - start) / count;
}

function heapBytes() {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
