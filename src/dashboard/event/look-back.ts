import type { Event } from 'millrace/client';
import { weightOf } from './weight.js';

/**
 * Reads from the newest event backwards, a little first and twice as much each time. The server has no cursor backwards,
 * so each step brings the newer events again, and all steps together at most twice the last one. Pure.
 */

export interface LookBackBounds {
  /** Events of the first step. */
  readonly first: number;
  readonly events: number;
  /** About how many bytes one step may bring, by the events of the step before. */
  readonly weight: number;
  /** No step begins later than this, ms. */
  readonly ms: number;
}

export interface LookBack {
  /** Newest first. */
  readonly events: readonly Event[];
  /** There are no older ones. */
  readonly isAll: boolean;
}

/** `ask` answers with the newest events, as many as it is told. */
export async function* lookBack(
  ask: (limit: number) => Promise<readonly Event[]>,
  bounds: LookBackBounds,
): AsyncGenerator<LookBack, void, undefined> {
  const end = performance.now() + bounds.ms;
  let limit = bounds.first;
  for (;;) {
    const events = await ask(limit);
    const isAll = events.length < limit;
    yield { events, isAll };
    if (isAll || performance.now() >= end) return;
    const each = events.reduce((sum, event) => sum + weightOf(event), 0) / events.length;
    const next = Math.min(limit * 2, bounds.events, Math.floor(bounds.weight / each));
    if (next <= limit) return;
    limit = next;
  }
}
