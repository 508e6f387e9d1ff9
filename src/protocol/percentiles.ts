import type { Histogram } from './bus-api.js';
import type { Percentiles } from './operations.js';

/** Percentiles of times that were counted in buckets. Pure; any thread, and browsers. */

/** The bound below which a share of all values lies, ms; `Infinity` beyond the last, `undefined` if there are none. */
export function boundOf(histogram: Histogram, share: number): number | undefined {
  const found = bucketAt(histogram, share);
  if (found === undefined) return undefined;
  return histogram.bounds[found.bucket] ?? Number.POSITIVE_INFINITY;
}

/** The values counted between two looks; all of them if there was no earlier look. */
export function countedSince(now: Histogram, before: Histogram | undefined): Histogram {
  if (before === undefined) return now;
  const counts = now.counts.map((count, bucket) =>
    Math.max(0, count - (before.counts[bucket] ?? 0)),
  );
  return { bounds: now.bounds, counts, sum: Math.max(0, now.sum - before.sum) };
}

/** The values of histograms with the same bounds in one. There must be at least one. */
export function countedTogether(histograms: readonly Histogram[]): Histogram {
  return histograms.reduce((all, one) => ({
    bounds: all.bounds,
    counts: all.counts.map((count, bucket) => count + (one.counts[bucket] ?? 0)),
    sum: all.sum + one.sum,
  }));
}

/**
 * The percentiles, as if the values of a bucket were spread over it evenly. Values beyond the last bound count as that
 * bound. `undefined` if nothing was counted.
 */
export function percentilesOf(histogram: Histogram): Percentiles | undefined {
  const at = (share: number): number | undefined => valueAt(histogram, share);
  const p50 = at(0.5);
  if (p50 === undefined) return undefined;
  return { p50, p95: at(0.95)!, p99: at(0.99)! };
}

function valueAt(histogram: Histogram, share: number): number | undefined {
  const found = bucketAt(histogram, share);
  if (found === undefined) return undefined;
  const { bounds } = histogram;
  const lower = bounds[found.bucket - 1] ?? 0;
  const upper = bounds[found.bucket] ?? lower;
  return rounded(lower + (upper - lower) * found.within);
}

/** The bucket of the value at this share, and which part of the bucket's values lies at it or below. */
function bucketAt({ counts }: Histogram, share: number) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = share * total;
  let seen = 0;
  const bucket = counts.findIndex((count) => (seen += count) >= rank);
  const count = counts[bucket]!;
  return { bucket, within: (rank - (seen - count)) / count };
}

/** To the microsecond: the buckets are far wider. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
