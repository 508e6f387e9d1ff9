import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  added,
  FIGURES_KEPT_MS,
  type FigureBook,
  lately,
  lineOf,
  mean,
  newestAt,
  percentileLines,
  rowsOf,
  SAMPLES_MAX,
  shardLines,
} from '../../src/dashboard/screens/overview/figure-book.js';
import { sampleAt, shardFigures } from './support/figures.js';

const EVERY_MS = 2000;
const bookOf = (...times: number[]): FigureBook =>
  added(undefined, { everyMs: EVERY_MS, samples: times.map((at) => sampleAt(at)) });
const timesOf = ({ samples }: FigureBook): number[] => samples.map(({ at }) => at);

describe('the figures that the page keeps', () => {
  it('goes on with the answers that follow', () => {
    const book = bookOf(2000, 4000);
    expect(newestAt(book)).toBe(4000);
    const next = added(book, { everyMs: EVERY_MS, samples: [sampleAt(6000)] });
    expect(timesOf(next)).toEqual([2000, 4000, 6000]);
    expect(timesOf(added(next, { everyMs: EVERY_MS, samples: [] }))).toEqual([2000, 4000, 6000]);
  });

  it('asks for everything before there is a sample', () => {
    expect(newestAt(undefined)).toBeUndefined();
    expect(newestAt(bookOf())).toBeUndefined();
  });

  it('begins anew where the clock of the server was set back', () => {
    const next = added(bookOf(2000, 8000, 10_000), {
      everyMs: EVERY_MS,
      samples: [sampleAt(7000), sampleAt(9000)],
    });
    expect(timesOf(next)).toEqual([2000, 7000, 9000]);
  });

  it('keeps ascending samples of the last 15 minutes and never more than its bound', () => {
    const answers = fc.array(fc.array(fc.integer({ min: 1, max: 3_000_000 }), { maxLength: 30 }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(answers, (lists) => {
        let book: FigureBook | undefined;
        for (const list of lists) {
          const samples = [...new Set(list)].sort((a, b) => a - b).map((at) => sampleAt(at));
          book = added(book, { everyMs: EVERY_MS, samples });
          const times = timesOf(book);
          expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
          expect(times.length).toBeLessThanOrEqual(SAMPLES_MAX);
          const span = times.length === 0 ? 0 : times.at(-1)! - times[0]!;
          expect(span).toBeLessThan(FIGURES_KEPT_MS);
          if (samples.length > 0) expect(times.at(-1)).toBe(samples.at(-1)!.at);
        }
      }),
    );
  });

  it('keeps no more than its bound of a server that samples very often', () => {
    const samples = Array.from({ length: SAMPLES_MAX + 5 }, (_, at) => sampleAt(at + 1));
    const { samples: kept } = added(undefined, { everyMs: 1, samples });
    expect([kept.length, kept[0]?.at]).toEqual([SAMPLES_MAX, 6]);
  });

  it('finds the samples of a recent time and their mean', () => {
    const samples = [2000, 4000, 6000].map((at) => sampleAt(at, { publishedPerSecond: at / 1000 }));
    const book = { everyMs: EVERY_MS, samples };
    const recent = lately(book, 3000);
    expect(recent.map(({ at }) => at)).toEqual([4000, 6000]);
    expect(mean(recent, ({ publishedPerSecond }) => publishedPerSecond)).toBe(5);
    expect(mean([], ({ publishedPerSecond }) => publishedPerSecond)).toBe(0);
  });
});

describe('the lines of the charts', () => {
  it('break where the bus did not run', () => {
    const rows = rowsOf(bookOf(2000, 4000, 20_000, 22_000));
    expect(rows.times).toEqual([2, 4, 6, 20, 22]);
    expect(lineOf('lag', rows, () => 7).values).toEqual([7, 7, null, 7, 7]);
  });

  it('break where nothing was measured', () => {
    const measured = sampleAt(2000, { commitMs: { p50: 1, p95: 2, p99: 3 } });
    const rows = rowsOf({ everyMs: EVERY_MS, samples: [measured, sampleAt(4000)] });
    expect(percentileLines(rows, ({ commitMs }) => commitMs)).toEqual([
      { name: 'p50', values: [1, null] },
      { name: 'p95', values: [2, null] },
      { name: 'p99', values: [3, null] },
    ]);
  });

  it('are those of the busiest shards, in the order of their numbers', () => {
    const shards = [1, 50, 3, 40].map((publishedPerSecond) => shardFigures({ publishedPerSecond }));
    const rows = rowsOf({ everyMs: EVERY_MS, samples: [sampleAt(2000, { shards })] });
    expect(shardLines(rows, 2)).toEqual([
      { name: 'shard 1', values: [50] },
      { name: 'shard 3', values: [40] },
    ]);
    expect(shardLines(rows, 9).map(({ name }) => name)).toEqual(
      [0, 1, 2, 3].map((shard) => `shard ${shard}`),
    );
  });
});
