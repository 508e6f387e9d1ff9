import { describe, expect, it } from 'vitest';
import { findingOf } from '../../scripts/mutants/built.js';
import {
  type Judge,
  type Verdict,
  verdictOfReport,
  verdictOfSimulation,
} from '../../scripts/mutants/built-judges.js';
import { mutated } from '../../scripts/mutants/built-tree.js';
import { movedPlace } from '../../scripts/mutants/moved.js';
import { survivorsAtFirst, withBuilt, withPortion } from '../../scripts/mutants/sample-lines.js';

/** The second stage of a sample of mutants, in which those that survived are built and judged by whole buses. */

describe('a mutant that is built', () => {
  const text = 'const a = 1;\nif (a > 0) {\n  run();\n}\n';

  it('replaces its place alone', () => {
    const one = { at: '2:5', to: '2:10', what: 'EqualityOperator', with: 'a >= 0' };
    expect(mutated(text, one)).toBe('const a = 1;\nif (a >= 0) {\n  run();\n}\n');
  });

  it('replaces a place of several lines', () => {
    const one = { at: '2:12', to: '4:2', what: 'BlockStatement', with: '{}' };
    expect(mutated(text, one)).toBe('const a = 1;\nif (a > 0) {}\n');
  });
});

describe('the place of a mutant', () => {
  const diff = '@@ -4,0 +5,2 @@\n+a\n+b\n@@ -10 +12 @@\n-c\n+d\n@@ -20,3 +21,0 @@\n-e\n-f\n-g\n';

  it.each([
    ['4:7', '4:7'],
    ['5:7', '7:7'],
    ['9:1', '11:1'],
    ['10:1', undefined],
    ['19:3', '21:3'],
    ['20:1', undefined],
    ['22:1', undefined],
    ['23:1', '22:1'],
  ])('moves with the lines before it: %s', (before, now) => {
    expect(movedPlace(diff, before)?.place).toBe(now);
  });
});

describe('the simulation as a judge', () => {
  const over = { status: null, isOver: true };

  it('names the seed that failed, and what it said', () => {
    const output = '1 ab\n2 cd\nseed 2 failed after 90 steps:\n  an event was lost\n  another\n';
    expect(verdictOfSimulation({ status: 1, isOver: false, output })).toEqual({
      outcome: 'failed',
      where: ['2'],
      words: 'an event was lost',
    });
  });

  it('names the seed at which it hung', () => {
    const output = '1 ab\n2 cd\n';
    const hung = { outcome: 'out of time', where: ['3'] };
    expect(verdictOfSimulation({ ...over, output })).toEqual(hung);
    expect(verdictOfSimulation({ ...over, output: '' }, '3')).toEqual(hung);
  });

  it('finds a build that cannot be loaded', () => {
    const output = 'file.js:3\n  x\nError: the layout overlaps\n    at file.js:3\n';
    expect(verdictOfSimulation({ status: 1, isOver: false, output })).toEqual({
      outcome: 'failed',
      where: ['1'],
      words: 'Error: the layout overlaps',
    });
  });

  it('does not take a build for found into which it cannot put its limits', () => {
    const output = 'Error: store.js has no PAGE_BYTES\n    at setLimit\n';
    const verdict = verdictOfSimulation({ status: 1, isOver: false, output });
    expect(verdict.outcome).toBe('passed');
  });
});

it('the suites as a judge name the files that failed, and the first test', () => {
  const assertions = [
    { status: 'passed', fullName: 'a' },
    { status: 'failed', fullName: 'b' },
  ];
  const report = {
    testResults: [
      { name: '/copy/test/x.test.ts', status: 'passed', assertionResults: [] },
      { name: '/copy/test/y.test.ts', status: 'failed', assertionResults: assertions },
    ],
  };
  expect(verdictOfReport(report, '/copy')).toEqual({
    outcome: 'failed',
    where: ['test/y.test.ts'],
    words: 'b',
  });
});

describe('the verdict on a mutant', () => {
  const failed: Verdict = { outcome: 'failed', where: ['7'], words: 'lost' };
  const late: Verdict = { outcome: 'out of time', where: ['7'] };
  const passed: Verdict = { outcome: 'passed', where: [] };

  /** A judge that says one thing of the mutant first, then of the original, and again of the mutant. */
  async function verdictOf(...says: Verdict[]) {
    const played: string[] = [];
    let isPlanted = false;
    const judge: Judge = {
      name: 'simulation',
      play: async (where) => {
        played.push(`${isPlanted ? 'mutant' : 'original'} ${where ?? 'all'}`);
        return says.shift()!;
      },
    };
    const build = {
      plant: () => {
        isPlanted = true;
      },
      restore: () => {
        isPlanted = false;
      },
    };
    return { finding: await findingOf(judge, build), played };
  }

  it('counts if it is the same twice, and the original passes', async () => {
    const { finding, played } = await verdictOf(failed, passed, failed);
    expect(finding).toEqual({ by: 'simulation', isHang: false, where: '7', words: 'lost' });
    expect(played).toEqual(['mutant all', 'original 7', 'mutant 7']);
  });

  it('counts as a hang only if the original ends within the same limit', async () => {
    expect((await verdictOf(late, passed, late)).finding).toMatchObject({ isHang: true });
    expect((await verdictOf(late, late, late)).finding).toBe('doubtful');
  });

  it('is doubtful if the original fails too, or the mutant does not again', async () => {
    expect((await verdictOf(failed, failed, failed)).finding).toBe('doubtful');
    expect((await verdictOf(failed, passed, passed)).finding).toBe('doubtful');
    expect((await verdictOf(late, passed, failed)).finding).toBe('doubtful');
  });

  it('needs no control where nothing failed', async () => {
    expect(await verdictOf(passed)).toEqual({ finding: undefined, played: ['mutant all'] });
  });
});

describe('a sample whose survivors were built', () => {
  const whole = {
    part: 'store',
    seed: 1,
    of: 900,
    drawn: 9,
    digest: 'd',
    commit: 'c',
    isQuick: false,
  };
  const [a, b, c] = ['1:1', '2:1', '3:1'].map((at) => ({
    file: 'src/store/a.ts',
    at,
    to: at,
    what: 'X',
    status: 'Survived',
    isStatic: false,
  }));
  const run = {
    counts: { killed: 6, timeout: 0 },
    controls: { controls: 0, failedControls: 0 },
    seconds: 1,
  };
  const first = withPortion(whole, { ...run, survivors: [a!, b!, c!] });
  const stage = { commit: 'e', seconds: 3, seeds: 60 };
  const finding = { by: 'simulation' as const, isHang: false, where: '7' };
  const found = [
    { ...a!, ...finding },
    { ...b!, ...finding, by: 'suites' as const },
  ];
  const built = withBuilt(first, stage, { found, missed: [c!], unjudged: [], doubtful: 0 });

  it('keeps those that nothing found, and says who found the others', () => {
    expect(built.survivors).toEqual([c]);
    expect(built.atFirst).toEqual(first.atFirst);
    expect(built.built).toMatchObject({
      ...stage,
      foundAtFirst: { simulation: 1, suites: 1 },
    });
    expect(built.built?.found).toEqual(found);
  });

  it('keeps what was found at first when the others are judged again', () => {
    const again = withBuilt(built, stage, {
      found: [{ ...c!, ...finding }],
      missed: [],
      unjudged: [],
      doubtful: 0,
    });
    expect(again.survivors).toEqual([]);
    expect(again.built?.foundAtFirst).toEqual({ simulation: 1, suites: 1 });
    expect(again.built?.found).toHaveLength(3);
  });

  it('goes on at first where a run was cut short', () => {
    const [one, other] = found;
    const cut = withBuilt(first, stage, {
      found: [one!],
      missed: [b!, c!],
      unjudged: [b!, c!],
      doubtful: 1,
    });
    expect(cut.built).toMatchObject({
      unjudged: [b, c],
      foundAtFirst: { simulation: 1, suites: 0 },
    });
    const rest = { found: [other!], missed: [c!], unjudged: [], doubtful: 0 };
    const whole = withBuilt(cut, stage, rest);
    expect(whole.built).toMatchObject({
      seconds: 6,
      unjudged: [],
      doubtful: 1,
      foundAtFirst: { simulation: 1, suites: 1 },
    });
  });

  it('takes all that survived at first from the lines before the last', () => {
    const later = { ...first, survivors: [c!] };
    expect(survivorsAtFirst([first, later])).toEqual([a, b, c]);
  });
});
