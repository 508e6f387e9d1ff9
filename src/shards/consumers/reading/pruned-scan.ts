/** Finds out, in steps, whether a hole in the log held events on topics of a consumer. */
import { GAP_TOPICS_PER_STEP } from '../../../protocol/limits/shards.js';
import { hasWildcard } from '../../../protocol/topic.js';
import type { ShardLog } from '../../../store/shard-log.js';
import { PatternTrie } from '../../matching/pattern-trie.js';

export class PrunedScan {
  /** The hole, behind one sequence and up to another. */
  readonly after: number;
  readonly until: number;
  /** `ShardLog.prunedEvents` when the scan began. */
  readonly prunedEvents: number;
  readonly #log: ShardLog;
  readonly #topics: readonly string[];
  readonly #patterns = new PatternTrie<true>();
  #topic = 0;
  #through = 0;

  constructor(log: ShardLog, topics: readonly string[], after: number, until: number) {
    this.#log = log;
    this.#topics = topics;
    this.after = after;
    this.until = until;
    this.prunedEvents = log.prunedEvents;
    for (const pattern of topics) this.#patterns.add(pattern, true);
  }

  /**
   * Returns the last sequence of the hole that may have been an event of these topics, or 0; undefined: there is more
   * to do.
   */
  step(): number | undefined {
    this.#topic = this.#log.scanTopics(this.#topic, GAP_TOPICS_PER_STEP, (topic) => {
      if (topic.prunedThrough <= this.#through) return;
      if (this.#patterns.match(topic.name).length > 0) this.#through = topic.prunedThrough;
    });
    if (this.#topic > 0) return undefined;
    const through = Math.min(this.until, Math.max(this.#through, this.#forgottenThrough));
    return through > this.after ? through : 0;
  }

  /** The last sequence pruned from topics that the log has forgotten and that may match. */
  get #forgottenThrough(): number {
    const { forgottenThrough } = this.#log;
    if (forgottenThrough === 0) return 0;
    const isKnown = (topic: string): boolean => !hasWildcard(topic) && this.#log.hasTopic(topic);
    return this.#topics.every(isKnown) ? 0 : forgottenThrough;
  }
}
