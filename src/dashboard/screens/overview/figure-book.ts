import type { FigureSample, Figures, Percentiles } from 'millrace/client';

/**
 * The samples that the page keeps: those of the last 15 minutes, as the server does, and from them the lines of the
 * charts. Pure.
 */

export const FIGURES_KEPT_MS = 900_000;
/** A bound also where a server samples more often than this one. */
export const SAMPLES_MAX = 1000;
/** Samples that are further apart than this many intervals have a gap between them: the bus did not run. */
const GAP_INTERVALS = 3;

export interface FigureBook {
  readonly everyMs: number;
  /** Oldest first. */
  readonly samples: readonly FigureSample[];
}

/** The `at` behind which the server should answer; `undefined` for all. */
export function newestAt(book: FigureBook | undefined): number | undefined {
  return book?.samples.at(-1)?.at;
}

/** Adds an answer to `figures({ after })`. Where the server's clock was set back, later samples are dropped. */
export function added(book: FigureBook | undefined, answer: Figures): FigureBook {
  const { everyMs, samples: come } = answer;
  const held = book?.samples ?? [];
  if (come.length === 0) return { everyMs, samples: held };
  const first = come[0]!.at;
  const all = [...held.filter(({ at }) => at < first), ...come];
  const oldest = all.at(-1)!.at - FIGURES_KEPT_MS;
  return { everyMs, samples: all.filter(({ at }) => at > oldest).slice(-SAMPLES_MAX) };
}

/** The samples of the last `ms` before the newest one. */
export function lately({ samples }: FigureBook, ms: number): readonly FigureSample[] {
  const after = (samples.at(-1)?.at ?? 0) - ms;
  return samples.filter(({ at }) => at > after);
}

/** The mean of a figure over some samples; 0 without any. */
export function mean(
  samples: readonly FigureSample[],
  of: (sample: FigureSample) => number,
): number {
  return samples.reduce((sum, sample) => sum + of(sample), 0) / Math.max(1, samples.length);
}

export interface Rows {
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  /** The sample of each time; `undefined` in a gap. */
  readonly samples: readonly (FigureSample | undefined)[];
}

/** The samples with a time that has none within each gap, so that no line is drawn across it. */
export function rowsOf({ everyMs, samples }: FigureBook): Rows {
  const times: number[] = [];
  const rows: (FigureSample | undefined)[] = [];
  let before: number | undefined;
  for (const sample of samples) {
    if (before !== undefined && sample.at - before > GAP_INTERVALS * everyMs) {
      times.push((before + everyMs) / 1000);
      rows.push(undefined);
    }
    times.push(sample.at / 1000);
    rows.push(sample);
    before = sample.at;
  }
  return { times, samples: rows };
}

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** `null`: nothing is known of that time. */
  readonly values: readonly (number | null)[];
}

export function lineOf(
  name: string,
  rows: Rows,
  of: (sample: FigureSample) => number | undefined,
): Series {
  return {
    name,
    values: rows.samples.map((sample) => (sample === undefined ? null : (of(sample) ?? null))),
  };
}

export function percentileLines(
  rows: Rows,
  of: (sample: FigureSample) => Percentiles | undefined,
): Series[] {
  return (['p50', 'p95', 'p99'] as const).map((name) =>
    lineOf(name, rows, (sample) => of(sample)?.[name]),
  );
}

/** The rate of each of the busiest shards, in the order of their numbers. */
export function shardLines(rows: Rows, most: number): Series[] {
  const totals: number[] = [];
  for (const sample of rows.samples) {
    for (const [shard, { publishedPerSecond }] of (sample?.shards ?? []).entries()) {
      totals[shard] = (totals[shard] ?? 0) + publishedPerSecond;
    }
  }
  const busiest = [...totals.keys()]
    .sort((a, b) => totals[b]! - totals[a]! || a - b)
    .slice(0, most)
    .sort((a, b) => a - b);
  return busiest.map((shard) =>
    lineOf(`shard ${shard}`, rows, ({ shards }) => shards[shard]?.publishedPerSecond),
  );
}
