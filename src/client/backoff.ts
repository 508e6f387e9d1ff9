import type { BusError } from '../protocol/errors.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';

/**
 * How long to wait before the next try: full jitter ("Exponential Backoff And Jitter", M. Brooker, AWS Architecture
 * Blog, 2015), so that the clients of a restarted server do not all connect at once. The floor keeps a client from
 * hammering the server.
 */
export interface BackoffLimits {
  /** The first wait is at most this long; the limit doubles with each further wait. */
  readonly baseMs: number;
  readonly maxMs: number;
  readonly floorMs: number;
}

/** `attempt` counts from 0; `random` is in [0, 1). */
export function backoffMs(attempt: number, limits: BackoffLimits, random: number): number {
  const { baseMs, maxMs, floorMs } = limits;
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 52));
  return Math.round(floorMs + random * Math.max(0, ceiling - floorMs));
}

/**
 * A server asks all clients that it refuses at once for the same wait. Each waits up to this share longer, so that they
 * do not come back together.
 */
const SPREAD = 0.5;

/** A random wait from `leastMs` to one and a half times that. */
export function spreadMs(leastMs: number, random: number): number {
  return Math.min(Math.round(leastMs * (1 + SPREAD * random)), TIMER_MS_MAX);
}

/** @param leastMs the wait that the server asked for, or 0 */
export function retryMs(
  attempt: number,
  limits: BackoffLimits,
  leastMs: number,
  random: number,
): number {
  return Math.max(backoffMs(attempt, limits, random), spreadMs(leastMs, random));
}

/** The wait that the server asked for with this error, in ms; 0 if it asked for none. */
export function retryAfterMs({ details }: BusError): number {
  const ms = details?.retryAfterMs;
  return typeof ms === 'number' && ms > 0 && ms <= TIMER_MS_MAX ? ms : 0;
}
