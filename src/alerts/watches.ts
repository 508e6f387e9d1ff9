import type { AlertCondition, AlertEvent } from '../protocol/alerts.js';
import type { ParsedFilter } from '../protocol/filter.js';
import { type ShardLayout, shardsOf } from '../protocol/filter-shards.js';
import { ALERT_EVENT_WITHIN_MS, ALERT_INTERVAL_MS } from '../protocol/limits/alerts.js';
import { nameMatcher } from '../protocol/name-patterns.js';
import { overBound, type Reading } from './alert-state.js';
import { ConsumerWatch } from './consumer-watch.js';
import { RateWindow } from './rate-window.js';
import type { Figures, Watch } from './watch.js';

/**
 * Measures one condition from the figures of the bus. A watch keeps what it needs from one judgement to the next. Pure:
 * time comes with the figures, ms of a clock that only goes on.
 */

export interface WatchStart {
  readonly now: number;
  /** The events that were counted before. */
  readonly events: number;
  /** The rule was firing when the bus was closed, and since when. */
  readonly firingSince: number | undefined;
}

export function watchOf(when: AlertCondition, start: WatchStart): Watch {
  switch (when.kind) {
    case 'silence':
      return new SilenceWatch(when.pattern, when.forMs, start);
    case 'rate':
      return new RateWatch(when.pattern, when.above, when.overMs, start);
    case 'event':
      return new EventWatch(when.filter, when.withinMs ?? ALERT_EVENT_WITHIN_MS, start);
    case 'lag':
      return new LagWatch(when.above, when.subscription, when.forMs ?? 0);
    case 'consumer':
      return new ConsumerWatch(when);
  }
}

/** The filter of the events that a condition counts. */
export function filterOf(when: AlertCondition): ParsedFilter | undefined {
  if (when.kind === 'lag' || when.kind === 'consumer') return undefined;
  return when.kind === 'event' ? when.filter : { topics: [when.pattern] };
}

/** Whether the shard can have events that the filter matches. */
export function isOfShard(filter: ParsedFilter, shard: number, layout: ShardLayout): boolean {
  return shardsOf(filter, layout).includes(shard);
}

/** Time counts from the last event, at first from the last stored one. */
export class SilenceWatch implements Watch {
  readonly filter: ParsedFilter;
  readonly forMs: number;
  /** A silence that was firing began at the last event, which may have been ephemeral, or be pruned by now. */
  readonly #silentSince: number | undefined;
  #events: number;
  #lastAt: number | undefined;

  constructor(pattern: string, forMs: number, { events, firingSince }: WatchStart) {
    this.filter = { topics: [pattern] };
    this.forMs = forMs;
    this.#events = events;
    this.#silentSince = firingSince;
  }

  /** Tells when the last stored event came; undefined: none is known, and time counts from `now` unless it fired. */
  begin(lastAt: number | undefined, now: number): void {
    this.#lastAt ??= lastAt ?? this.#silentSince ?? now;
  }

  read({ now, total }: Figures): Reading | undefined {
    const { events } = total(this.filter);
    if (events !== this.#events) this.#lastAt = now;
    this.#events = events;
    const since = this.#lastAt;
    if (since === undefined) return undefined;
    const value = now - since;
    // An event that came since the judgement before.
    if (value < ALERT_INTERVAL_MS) return { condition: 'clear', value };
    return { condition: 'holds', since, value };
  }
}

class RateWatch implements Watch {
  readonly filter: ParsedFilter;
  readonly forMs = 0;
  readonly #above: number;
  readonly #window: RateWindow;

  constructor(pattern: string, above: number, overMs: number, { now, events }: WatchStart) {
    this.filter = { topics: [pattern] };
    this.#above = above;
    this.#window = new RateWindow(overMs, now, events);
  }

  read({ now, total }: Figures): Reading {
    const { perSecond, isWhole } = this.#window.rate(now, total(this.filter).events);
    const found = overBound(perSecond, this.#above);
    const condition = found === 'clear' && !isWhole ? 'near' : found;
    return { condition, value: perSecond };
  }
}

class EventWatch implements Watch {
  readonly filter: ParsedFilter;
  readonly forMs = 0;
  readonly #withinMs: number;
  #events: number;
  #lastAt: number | undefined;
  /** The count before the first of the events by which the condition holds. */
  #before: number;

  constructor(filter: ParsedFilter, withinMs: number, { now, events, firingSince }: WatchStart) {
    this.filter = filter;
    this.#withinMs = withinMs;
    this.#events = events;
    this.#before = events;
    if (firingSince !== undefined) this.#lastAt = now;
  }

  read({ now, total }: Figures): Reading {
    const { events } = total(this.filter);
    const isNew = events !== this.#events;
    this.#events = events;
    if (isNew) this.#lastAt = now;
    const holds = this.#lastAt !== undefined && now - this.#lastAt < this.#withinMs;
    if (!holds) this.#before = events;
    return { condition: holds ? 'holds' : 'clear', value: events - this.#before };
  }
}

export class LagWatch implements Watch {
  readonly filter = undefined;
  readonly forMs: number;
  readonly #above: number;
  /** The name, or pattern of names, of the subscriptions that it looks at; undefined: all of them together. */
  readonly subscription: string | undefined;
  readonly #isWanted: ((name: string) => boolean) | undefined;

  constructor(above: number, subscription: string | undefined, forMs: number) {
    this.forMs = forMs;
    this.subscription = subscription;
    this.#above = above;
    if (subscription !== undefined) this.#isWanted = nameMatcher(subscription);
  }

  read({ lag, laggards }: Figures): Reading {
    const isWanted = this.#isWanted;
    if (isWanted === undefined) return { condition: overBound(lag, this.#above), value: lag };
    let value = 0;
    for (const { name, lag } of laggards) {
      if (isWanted(name)) value = Math.max(value, lag);
    }
    return { condition: overBound(value, this.#above), value };
  }
}

/** The last event of a rule whose condition counts events. */
export function lastEventOf({ filter }: Watch, { total }: Figures): AlertEvent | undefined {
  return filter === undefined ? undefined : total(filter).lastEvent;
}
