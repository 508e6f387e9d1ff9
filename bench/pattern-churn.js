import { PatternTrie } from '../dist/shards/matching/pattern-trie.js';
import { TopicMatches } from '../dist/shards/matching/topic-matches.js';

/**
 * Looks up the subscriptions of a topic while subscriptions to other topics are added: 100 topics in turn, and after
 * every 100 lookups a new pattern that matches none of them. Prints the CPU time of a lookup by the number of
 * subscriptions that each topic has.
 */

const TOPICS = Array.from({ length: 100 }, (_, index) => `load.${index}`);

for (const [subscriptions, lookups] of /** @type {const} */ ([
  [1, 200_000],
  [100, 200_000],
  [1000, 20_000],
])) {
  /** @type {PatternTrie<number>} */
  const trie = new PatternTrie();
  for (let value = 0; value < subscriptions; value += 1) trie.add('load.*', value);
  const matches = new TopicMatches(trie, (_topic, matched) => new Set(matched));
  for (const topic of TOPICS) matches.get(topic);
  const before = process.cpuUsage();
  for (let n = 0; n < lookups; n += 1) {
    if (n % TOPICS.length === 0) trie.add(`other.${n}`, n);
    const { size } = matches.get(/** @type {string} */ (TOPICS[n % TOPICS.length]));
    if (size !== subscriptions) throw new Error(`${size} of ${subscriptions} subscriptions`);
  }
  const { user, system } = process.cpuUsage(before);
  const ns = Math.round(((user + system) * 1000) / lookups);
  console.log(`${subscriptions} subscriptions  ${ns} ns a lookup`);
}
