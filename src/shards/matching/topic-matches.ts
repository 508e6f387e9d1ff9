import { TOPIC_MATCHES_TOPICS, TOPIC_MATCHES_VALUES } from '../../protocol/limits/shards.js';

/**
 * A cache of the values that match a topic, for the topics in use. Owned by one shard's thread.
 *
 * A change of the patterns clears nothing: each topic compares the patterns' generation when it is next asked for, and
 * keeps its value if no changed pattern matches it. Two bounds limit the memory, the number of topics and the number of
 * values matched over all of them, since ten thousand subscriptions to `*` match every topic. The CLOCK rule chooses
 * the topic to evict: a hand passes over the entries, spares those used since it last came by, and evicts the first
 * other.
 */

/** The part of a `PatternTrie` that the cache uses. */
export interface MatchSource<T> {
  readonly generation: number;
  /** True if the values that match a topic may have changed since an earlier generation. */
  mayHaveChanged(topic: string, since: number): boolean;
  match(topic: string): T[];
}

interface Entry<V> {
  readonly topic: string;
  value: V;
  /** How many values matched. */
  matched: number;
  generation: number;
  /** True if the topic was asked for again since the hand came by. */
  isUsed: boolean;
}

export class TopicMatches<T, V> {
  readonly #source: MatchSource<T>;
  readonly #compute: (topic: string, matched: T[]) => V;
  readonly #topicsMax: number;
  readonly #valuesMax: number;
  readonly #byTopic = new Map<string, Entry<V>>();
  /** The same entries in the order in which the hand passes over them. */
  readonly #entries: Entry<V>[] = [];
  #hand = 0;
  #matched = 0;

  /**
   * `compute` makes the remembered value of a topic and the values that match it. `topicsMax` bounds the topics,
   * `valuesMax` the matching values of all topics; a topic that exceeds `valuesMax` by itself is remembered alone.
   */
  constructor(
    source: MatchSource<T>,
    compute: (topic: string, matched: T[]) => V,
    topicsMax: number = TOPIC_MATCHES_TOPICS,
    valuesMax: number = TOPIC_MATCHES_VALUES,
  ) {
    this.#source = source;
    this.#compute = compute;
    this.#topicsMax = topicsMax;
    this.#valuesMax = valuesMax;
  }

  /** Topics remembered, stale ones included. */
  get size(): number {
    return this.#entries.length;
  }

  /** Values matched over all topics remembered. */
  get matched(): number {
    return this.#matched;
  }

  /**
   * The value for a topic, computed anew if the patterns have changed since it was last asked for.
   */
  get(topic: string): V {
    const entry = this.#byTopic.get(topic);
    if (entry === undefined) return this.#add(topic);
    entry.isUsed = true;
    const { generation } = this.#source;
    if (entry.generation === generation) return entry.value;
    if (this.#source.mayHaveChanged(topic, entry.generation)) return this.#refresh(entry);
    entry.generation = generation;
    return entry.value;
  }

  #add(topic: string): V {
    const { generation } = this.#source;
    const matches = this.#source.match(topic);
    // Counted first, because `compute` may keep and change the list.
    const matched = matches.length;
    const value = this.#compute(topic, matches);
    this.#makeRoom(1, matched);
    const entry: Entry<V> = { topic, value, matched, generation, isUsed: false };
    this.#entries.push(entry);
    this.#byTopic.set(topic, entry);
    this.#matched += matched;
    return value;
  }

  #refresh(entry: Entry<V>): V {
    const { generation } = this.#source;
    const matches = this.#source.match(entry.topic);
    const matched = matches.length;
    const value = this.#compute(entry.topic, matches);
    entry.value = value;
    entry.generation = generation;
    this.#matched += matched - entry.matched;
    entry.matched = matched;
    // This may evict the very entry; its value is valid all the same.
    if (this.#matched > this.#valuesMax && this.#entries.length > 1) this.#makeRoom(0, 0);
    return value;
  }

  #makeRoom(topics: number, matched: number): void {
    const entries = this.#entries;
    while (
      entries.length > 0 &&
      (entries.length + topics > this.#topicsMax || this.#matched + matched > this.#valuesMax)
    ) {
      this.#evict();
    }
  }

  /** Ends within two rounds of the hand. */
  #evict(): void {
    const entries = this.#entries;
    for (;;) {
      if (this.#hand >= entries.length) this.#hand = 0;
      const entry = entries[this.#hand]!;
      if (!entry.isUsed) {
        this.#matched -= entry.matched;
        this.#byTopic.delete(entry.topic);
        // The last entry takes the evicted one's place.
        const last = entries.pop()!;
        if (last !== entry) entries[this.#hand] = last;
        this.#hand++;
        return;
      }
      entry.isUsed = false;
      this.#hand++;
    }
  }
}
