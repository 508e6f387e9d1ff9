import type { Histogram } from '../protocol/bus-api.js';
import { formatNumber } from './table.js';

/** Percentiles of histograms with buckets: the bound below which a share of all values lies. */

/** The bound, in ms; `Infinity` beyond the last bucket, `undefined` if nothing was counted. */
export function boundOf(histogram: Histogram, share: number): number | undefined {
  const { bounds, counts } = histogram;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let seen = 0;
  const bucket = counts.findIndex((count) => (seen += count) >= share * total);
  return bounds[bucket] ?? Number.POSITIVE_INFINITY;
}

/** The values counted between two looks; all of them if there was no earlier look. */
export function countedSince(now: Histogram, before: Histogram | undefined): Histogram {
  if (before === undefined) return now;
  const counts = now.counts.map((count, bucket) =>
    Math.max(0, count - (before.counts[bucket] ?? 0)),
  );
  return { bounds: now.bounds, counts, sum: Math.max(0, now.sum - before.sum) };
}

/** `≤ 2.5 ms`, `> 10,000 ms`, `-` */
export function readableBound(histogram: Histogram, share: number): string {
  const bound = boundOf(histogram, share);
  if (bound === undefined) return '-';
  if (bound !== Number.POSITIVE_INFINITY) return `≤ ${formatNumber(bound)} ms`;
  return `> ${formatNumber(histogram.bounds.at(-1) ?? 0)} ms`;
}
