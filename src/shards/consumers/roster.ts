/**
 * The durable consumers of a shard, by their ids and by the topics that they match. Only the shard's loop touches this.
 */
import type { ConsumerEntry } from '../../link/consumer-shapes.js';
import { PatternTrie } from '../matching/pattern-trie.js';
import { TopicMatches } from '../matching/topic-matches.js';
import type { DeskConsumer } from './desk-consumer.js';

export interface RosterHost {
  /** @throws BusError `STORE_CORRUPT` */
  make(entry: ConsumerEntry): DeskConsumer;
  /** The consumer is not in the list any more. */
  gone(consumer: DeskConsumer): void;
  readonly prunedEvents: number;
}

export class Roster {
  /** In the order in which they came. */
  listed: readonly DeskConsumer[] = [];
  readonly byId = new Map<string, DeskConsumer>();
  readonly #host: RosterHost;
  /** The entries as text, by their ids. */
  readonly #texts = new Map<string, string>();
  readonly #trie = new PatternTrie<DeskConsumer>();
  readonly #matches = new TopicMatches(this.#trie, (_topic, matched: DeskConsumer[]) => matched);

  constructor(host: RosterHost) {
    this.#host = host;
  }

  /** The consumers whose patterns match a topic. */
  matching(topic: string): readonly DeskConsumer[] {
    return this.#matches.get(topic);
  }

  /**
   * Takes the list of all consumers: makes, changes and removes its own by it. Nothing changes where it throws.
   * @throws BusError `CONSUMER_BUSY`, `STORE_CORRUPT`
   */
  apply(entries: readonly ConsumerEntry[]): void {
    const made: DeskConsumer[] = [];
    // Of a long list few entries have changed, and what follows costs far more than their texts.
    const texts = new Map(entries.map((entry) => [entry.id, JSON.stringify(entry)]));
    const changed = entries.filter(({ id }) => texts.get(id) !== this.#texts.get(id));
    for (const entry of changed) {
      const refusal = this.byId.get(entry.id)?.refusal(entry);
      if (refusal !== undefined) throw refusal;
    }
    for (const entry of changed) {
      if (!this.byId.has(entry.id)) made.push(this.#host.make(entry));
    }
    for (const consumer of this.listed) if (!texts.has(consumer.id)) this.#remove(consumer);
    for (const entry of changed) {
      const known = this.byId.get(entry.id);
      if (known === undefined) continue;
      this.#route(known, false);
      known.change(entry, this.#host.prunedEvents);
      this.#texts.set(entry.id, texts.get(entry.id)!);
      this.#route(known, true);
    }
    for (const consumer of made) {
      this.byId.set(consumer.id, consumer);
      this.#texts.set(consumer.id, texts.get(consumer.id)!);
      this.#route(consumer, true);
    }
    this.listed = [...this.byId.values()];
  }

  #remove(consumer: DeskConsumer): void {
    this.#route(consumer, false);
    this.byId.delete(consumer.id);
    this.#texts.delete(consumer.id);
    this.#host.gone(consumer);
  }

  #route(consumer: DeskConsumer, isAdded: boolean): void {
    for (const pattern of consumer.entry.definition.filter.topics) {
      if (isAdded) this.#trie.add(pattern, consumer);
      else this.#trie.remove(pattern, consumer);
    }
  }
}
