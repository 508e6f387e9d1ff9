/**
 * Who gets the events of a topic, computed once per topic and change of the subscriptions: the matching
 * consumers, grouped by link, because an event crosses each link once.
 */
import type { Consumer } from './consumer.js';
import type { LinkAdapter } from './link-adapter.js';
import { PatternTrie } from './matching/pattern-trie.js';
import { TopicMatches } from './matching/topic-matches.js';

export type LinkConsumer = Consumer<LinkAdapter>;

export interface RouteLeg {
  readonly link: LinkAdapter;
  readonly consumers: readonly LinkConsumer[];
}

export interface Route {
  readonly legs: readonly RouteLeg[];
  readonly consumers: ReadonlySet<LinkConsumer>;
}

export class Routes {
  readonly #trie = new PatternTrie<LinkConsumer>();
  #matches: TopicMatches<LinkConsumer, Route>;

  constructor() {
    this.#matches = this.#remember();
  }

  /** A link is gone: routes of topics that nobody asks for any more must not keep its rings alive. */
  forget(): void {
    this.#matches = this.#remember();
  }

  /** The route of a topic. Valid until the next `add`, `remove` or `replace`. */
  of(topic: string): Route {
    return this.#matches.get(topic);
  }

  #remember(): TopicMatches<LinkConsumer, Route> {
    return new TopicMatches(this.#trie, (_topic, matched) => group(matched));
  }

  add(consumer: LinkConsumer, patterns: readonly string[]): void {
    for (const pattern of patterns) this.#trie.add(pattern, consumer);
  }

  remove(consumer: LinkConsumer, patterns: readonly string[]): void {
    for (const pattern of patterns) this.#trie.remove(pattern, consumer);
  }
}

function group(matched: readonly LinkConsumer[]): Route {
  const legs = new Map<LinkAdapter, LinkConsumer[]>();
  for (const consumer of matched) {
    const leg = legs.get(consumer.link);
    if (leg === undefined) legs.set(consumer.link, [consumer]);
    else leg.push(consumer);
  }
  return {
    legs: [...legs].map(([link, consumers]) => ({ link, consumers })),
    consumers: new Set(matched),
  };
}
