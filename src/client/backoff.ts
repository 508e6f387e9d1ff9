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
