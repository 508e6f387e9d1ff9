/**
 * The matching subscriptions of a topic, grouped by link because an event crosses each link once. Computed once per
 * topic and change of the subscriptions.
 */

import { PatternTrie } from './matching/pattern-trie.js';
import { TopicMatches } from './matching/topic-matches.js';
import type { ShardEnd } from './shard-end.js';
import type { ShardSubscription } from './shard-subscription.js';

export type LinkSubscription = ShardSubscription<ShardEnd>;

export interface RouteLeg {
  readonly link: ShardEnd;
  readonly subscriptions: readonly LinkSubscription[];
}

export interface Route {
  readonly legs: readonly RouteLeg[];
  readonly subscriptions: ReadonlySet<LinkSubscription>;
}

export class Routes {
  readonly #trie = new PatternTrie<LinkSubscription>();
  #matches: TopicMatches<LinkSubscription, Route>;

  constructor() {
    this.#matches = this.#remember();
  }

  /**
   * Forgets all routes when a link is gone: routes of topics that are no longer in use must not keep its rings alive.
   */
  forget(): void {
    this.#matches = this.#remember();
  }

  /** The route of a topic. Valid until the next `add` or `remove`. */
  of(topic: string): Route {
    return this.#matches.get(topic);
  }

  #remember(): TopicMatches<LinkSubscription, Route> {
    return new TopicMatches(this.#trie, (_topic, matched) => group(matched));
  }

  add(subscription: LinkSubscription, patterns: readonly string[]): void {
    for (const pattern of patterns) this.#trie.add(pattern, subscription);
  }

  remove(subscription: LinkSubscription, patterns: readonly string[]): void {
    for (const pattern of patterns) this.#trie.remove(pattern, subscription);
  }
}

function group(matched: readonly LinkSubscription[]): Route {
  const legs = new Map<ShardEnd, LinkSubscription[]>();
  for (const subscription of matched) {
    const leg = legs.get(subscription.link);
    if (leg === undefined) legs.set(subscription.link, [subscription]);
    else leg.push(subscription);
  }
  return {
    legs: [...legs].map(([link, subscriptions]) => ({ link, subscriptions })),
    subscriptions: new Set(matched),
  };
}
