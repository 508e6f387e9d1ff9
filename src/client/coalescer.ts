import type { Event } from '../protocol/event.js';
import { COALESCE_WINDOW_MS_MAX } from '../protocol/limits/client.js';
import { quote } from '../protocol/quote.js';

/**
 * Makes one event of many, for streams of small deltas (tokens of a model, positions of a pointer) whose consumer would
 * rather have a few large ones. The events that arrive within a window are grouped by key; each group becomes one
 * event, the newest, with all of them in `coalesced`. An event without a key is not held up: it ends the window, and
 * follows the events gathered before it.
 */

export interface CoalesceOptions<P = unknown> {
  /** How long events are gathered after the first of them; 1 to 60,000. */
  windowMs: number;
  /** Events of the same key become one; `undefined`: this one stands for itself. Default: the topic. */
  key?: (event: Event<P>) => string | undefined;
  /** The payload of two in a row; default: the newer one. */
  merge?: (previous: P, next: P) => P;
}

export interface CoalescedEvent<P = unknown> extends Event<P> {
  /** Every event that went into this one, in order, the newest last; the event alone if it was not coalesced. */
  readonly coalesced: readonly Event<P>[];
}

export class Coalescer<P> {
  readonly #key: (event: Event<P>) => string | undefined;
  readonly #merge: ((previous: P, next: P) => P) | undefined;
  #groups = new Map<string, Event<P>[]>();
  #events = 0;

  constructor({ key, merge }: CoalesceOptions<P>) {
    this.#key = key ?? (({ topic }) => topic);
    this.#merge = merge;
  }

  /** How many events are gathered. */
  get events(): number {
    return this.#events;
  }

  /**
   * Gathers the event. False if it has no key: the caller first flushes the gathered events, then passes this one on by
   * itself.
   */
  take(event: Event<P>): boolean {
    const key = this.#key(event);
    if (key === undefined) return false;
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, [event]);
    else group.push(event);
    this.#events++;
    return true;
  }

  /** Takes out the gathered events, one for each key, in the order of each key's first event. */
  flush(): CoalescedEvent<P>[] {
    const groups = [...this.#groups.values()];
    this.clear();
    return groups.map((group) => coalesced(group, this.#merge));
  }

  clear(): void {
    this.#groups = new Map();
    this.#events = 0;
  }
}

export function coalesced<P>(
  group: readonly Event<P>[],
  merge?: (previous: P, next: P) => P,
): CoalescedEvent<P> {
  const newest = group[group.length - 1]!;
  if (merge === undefined || group.length === 1) return { ...newest, coalesced: group };
  let { payload } = group[0]!;
  for (let i = 1; i < group.length; i++) payload = merge(payload, group[i]!.payload);
  return { ...newest, payload, coalesced: group };
}

/** Says what is wrong with the option, or `undefined`. */
export function coalesceFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return `an object, not ${quote(value)}`;
  const { windowMs, key, merge, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return `unknown field ${quote(unknown)}`;
  const isTime = Number.isSafeInteger(windowMs) && Number(windowMs) >= 1;
  if (!isTime || Number(windowMs) > COALESCE_WINDOW_MS_MAX) {
    return `windowMs: a whole number from 1 to ${COALESCE_WINDOW_MS_MAX}, not ${quote(windowMs)}`;
  }
  if (key !== undefined && typeof key !== 'function') return `key: a function, not ${quote(key)}`;
  if (merge === undefined || typeof merge === 'function') return undefined;
  return `merge: a function, not ${quote(merge)}`;
}
