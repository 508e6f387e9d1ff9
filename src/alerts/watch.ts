import type { ParsedFilter } from '../protocol/filter.js';
import type { Reading } from './alert-state.js';
import type { Total } from './tally-book.js';
import type { Laggard, WatchedConsumer } from './watched-bus.js';

/** What a watch measures, and with what. */

export interface Figures {
  readonly now: number;
  total(filter: ParsedFilter): Total;
  readonly lag: number;
  readonly laggards: readonly Laggard[];
  /** Undefined if there is no consumer of this name. */
  consumer(name: string): WatchedConsumer | undefined;
}

export interface Watch {
  /** The events that the shards count for it. */
  readonly filter: ParsedFilter | undefined;
  /** How long the condition has to hold before the rule fires. */
  readonly forMs: number;
  /** Undefined while nothing can be said. */
  read(figures: Figures): Reading | undefined;
}
