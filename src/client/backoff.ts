import type { BusError } from '../protocol/errors.js';
import { TIMER_MS_MAX } from '../protocol/limits.js';

/**
 * How long to wait before the next try: full jitter ("Exponential Backoff And Jitter", M. Brooker, AWS
 * Architecture Blog, 2015), so that the clients of a server that comes back do not come all at
 * once; with a floor, so that none hammers it.
 */
export interface BackoffLimits {
  /** The first wait is at most this long; each further one at most twice the one before. */
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

/** What a server asks for it asks of all whom it refuses in one moment: each waits up to this share longer. */
const SPREAD = 0.5;

/** At least `leastMs`, and up to half as long again. */
export function spreadMs(leastMs: number, random: number): number {
  return Math.min(Math.round(leastMs * (1 + SPREAD * random)), TIMER_MS_MAX);
}

/** `leastMs`: what the server asked for; 0 where it did not. */
export function retryMs(
  attempt: number,
  limits: BackoffLimits,
  leastMs: number,
  random: number,
): number {
  return Math.max(backoffMs(attempt, limits, random), spreadMs(leastMs, random));
}

/** What the server asked for. */
export function retryAfterMs({ details }: BusError): number {
  const ms = details?.retryAfterMs;
  return typeof ms === 'number' && ms > 0 && ms <= TIMER_MS_MAX ? ms : 0;
}
