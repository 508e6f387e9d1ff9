/**
 * Counts times in fixed buckets, so that threads can share a histogram in a few words of memory. It keeps no samples,
 * and reading it never stops its writer.
 */

/** Upper bounds of the buckets, ms; one more bucket takes longer times. */
export const HISTOGRAM_BOUNDS_MS = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000,
] as const;

export const HISTOGRAM_BUCKETS = HISTOGRAM_BOUNDS_MS.length + 1;

export function bucketOf(milliseconds: number): number {
  let bucket = 0;
  while (bucket < HISTOGRAM_BOUNDS_MS.length && milliseconds > HISTOGRAM_BOUNDS_MS[bucket]!) {
    bucket++;
  }
  return bucket;
}
