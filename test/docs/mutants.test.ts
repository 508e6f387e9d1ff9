import { describe, expect, it } from 'vitest';
import { shuffled } from '../../scripts/mutants/draw.js';
import { withPortion, withRerun } from '../../scripts/mutants/sample-lines.js';
import { wilsonInterval } from '../../scripts/reliability/interval.js';

/** What `npm run mutants` draws at random, and what a sample says of the mutants that were not drawn. */

function orders(list: readonly string[], seeds: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const order = shuffled(list, seed).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  return counts;
}

describe('a draw of mutants', () => {
  it('is the same for the same seed, and another for another', () => {
    const list = Array.from({ length: 1_000 }, (_, index) => index);
    expect(shuffled(list, 7)).toEqual(shuffled(list, 7));
    expect(shuffled(list, 7)).not.toEqual(shuffled(list, 8));
  });

  it('takes each once', () => {
    const list = Array.from({ length: 1_000 }, (_, index) => index);
    expect(shuffled(list, 3).sort((one, other) => one - other)).toEqual(list);
  });

  it('gives each order the same chance', () => {
    const counts = [...orders(['a', 'b', 'c', 'd'], 24_000).values()];
    expect(counts).toHaveLength(24);
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
    // Of 23 degrees of freedom: one uniform shuffle in a thousand has more.
    expect(chiSquared).toBeLessThan(49.7);
  });
});

describe('the interval of a share', () => {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998, table I.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('is for %i of %i as it is published', (count, drawn, low, high) => {
    const interval = wilsonInterval(count, drawn);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('is as wide above a share as below its opposite', () => {
    const { low, high } = wilsonInterval(29, 29);
    expect(high).toBeCloseTo(1, 12);
    expect(low).toBeCloseTo(1 - wilsonInterval(0, 29).high, 12);
  });

  it('is all that can be where nothing was drawn', () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

describe('a sample', () => {
  const whole = {
    part: 'store',
    seed: 1,
    of: 900,
    drawn: 3,
    digest: 'd',
    commit: 'c',
    isQuick: false,
  };
  const survivor = { file: 'src/store/a.ts', at: '1:1', to: '1:2', what: 'X', isStatic: false };
  const survived = { ...survivor, status: 'Survived' };
  const unreached = { ...survivor, at: '2:1', status: 'NoCoverage' };
  const controls = { controls: 1, failedControls: 0 };
  const run = { counts: { killed: 1, timeout: 0 }, controls, survivors: [survived], seconds: 5 };
  const first = withPortion(whole, { ...run, survivors: [survived, unreached] });

  it('adds up its portions', () => {
    const both = withPortion({ ...whole, drawn: 5 }, run, first);
    expect(both).toMatchObject({ drawn: 5, killed: 2, controls: 2, seconds: 10 });
    expect(both.atFirst).toEqual({ survived: 2, noCoverage: 1 });
    expect(both.survivors).toEqual([survived, unreached, survived]);
  });

  it('keeps how many survived at first when its survivors run again', () => {
    const again = withRerun(first, 'e', run);
    expect(again).toMatchObject({ drawn: 3, killed: 2, commit: 'e', survivors: [survived] });
    expect(again.atFirst).toEqual({ survived: 1, noCoverage: 1 });
    const more = withPortion({ ...whole, drawn: 5 }, run, again);
    expect(more.atFirst).toEqual({ survived: 2, noCoverage: 1 });
  });
});
