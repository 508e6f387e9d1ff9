import type { Histogram } from '../protocol/bus-api.js';
import { boundOf } from '../protocol/percentiles.js';
import { formatNumber } from './table.js';

/** `≤ 2.5 ms`, `> 10,000 ms`, `-` */
export function readableBound(histogram: Histogram, share: number): string {
  const bound = boundOf(histogram, share);
  if (bound === undefined) return '-';
  if (bound !== Number.POSITIVE_INFINITY) return `≤ ${formatNumber(bound)} ms`;
  return `> ${formatNumber(histogram.bounds.at(-1) ?? 0)} ms`;
}
