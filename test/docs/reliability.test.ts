import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../fuzz/record-result.js';
import { keyOf, parseReasons } from '../../scripts/mutants/reasons.js';
import { FINDERS, parseFound } from '../../scripts/reliability/found.js';
import { readData, withTables } from '../../scripts/reliability/page.js';
import { CHECK_ROWS, COMMANDS, FAULT_ROWS, GAME_ROWS } from '../../scripts/reliability/rows.js';
import { ROOT, readPage } from './samples.js';

/** The page on reliability says what the results of campaigns and the list of found faults say, and no more. */

const PAGE = 'docs/RELIABILITY.md';
const data = readData(ROOT);
const scripts = JSON.parse(readPage('package.json')).scripts as Record<string, string>;

const result = {
  campaign: 'power',
  fault: 'power lost',
  seeds: [1, 400],
  injections: 400,
  acked: 12_000,
  lost: 0,
  repeated: 0,
  misordered: 0,
  undetected: 0,
  problems: 0,
  recoveryMs: { p50: 10, p99: 30 },
  seconds: 60,
  commit: '0a1b2c3d',
  node: '20.20.2',
  sqlite: '3.51.0',
  kernel: 'Linux 6.1',
  date: '2026-11-29T12:00:00.000Z',
} as ReturnType<typeof readData>['results'][number];

/** The page with other results. */
function pageOf(results: (typeof result)[]): string {
  return withTables(readPage(PAGE), { ...data, results });
}

/** The lines of a page that begin with a cell. */
function rowsOf(page: string, cell: string): string[] {
  return page.split('\n').filter((line) => line.startsWith(`| ${cell} |`));
}

/** The files and scripts that a command names and that are not there. */
function missingOf(command: string): string[] {
  const words = command.split(' ');
  const script = words[0] === 'npm' ? words[2]! : undefined;
  const files = words.filter((word) => /^(test|fuzz|bench|scripts)\//.test(word));
  const gone = files.filter((file) => !existsSync(join(ROOT, file)));
  return script === undefined || script in scripts ? gone : [`npm run ${script}`, ...gone];
}

type Sample = (typeof data.mutants.samples)[number];
const SAMPLED = '`src/store`, drawn from 9,470 with seed 4';

describe('the page on reliability', () => {
  it('has the tables of its data: npm run docs:reliability', () => {
    expect(withTables(readPage(PAGE), data)).toBe(readPage(PAGE));
  });

  it('has a row for each kind of fault', () => {
    const rows = [...FAULT_ROWS, ...GAME_ROWS, ...CHECK_ROWS].map(({ fault }) => fault);
    expect(rows.sort()).toEqual([...FAULTS].sort());
  });

  it('says so where nothing was recorded, and how far a row is from its reach', () => {
    const [counts, runs] = rowsOf(pageOf([]), 'power lost');
    expect(counts).toContain('nothing was recorded yet');
    expect(runs).toContain('10,000 images of a disk: 0 so far, 10,000 short');
  });

  it('adds up the runs of a row, and bounds what a zero means', () => {
    const second = {
      ...result,
      seeds: [9, 200],
      injections: 200,
      recoveryMs: { p50: 20, p99: 25 },
    };
    const [counts, runs] = rowsOf(pageOf([result, second as typeof result]), 'power lost');
    expect(counts).toContain(
      '| 600 | 0 | 24,000 | 0 | 0 | 0 | 0 | 0 | 20 / 30 ms | 0 in 600: below 0.5 % |',
    );
    expect(runs).toContain('600 so far, 9,400 short');
    expect(runs).toContain('| 600 | 2 | 0a1b2c3d | 20.20.2 | 3.51.0 | Linux 6.1 |');
  });

  it('counts what soaks had of a fault towards its reach, and not in what a zero means', () => {
    const soak = {
      ...result,
      campaign: 'faults soak',
      fault: 'soak',
      within: { 'power lost': 50 },
    };
    const [counts, runs] = rowsOf(pageOf([result, soak as typeof result]), 'power lost');
    expect(counts).toContain('| 400 | 50 | 12,000 |');
    expect(counts).toContain('| 0 in 400: ');
    expect(runs).toContain('images of a disk: 400 so far');
    const dies = { ...result, campaign: 'checker', fault: 'part dies' };
    const more = { ...soak, within: { 'part dies': 50 } };
    const [, deaths] = rowsOf(
      pageOf([dies, more] as (typeof result)[]),
      'shard, gateway, reader, worker or handler dies',
    );
    expect(deaths).toContain('450 so far');
  });

  it('takes each seed of a simulation for one case, however many faults it has', () => {
    const sim = { ...result, campaign: 'bus', fault: 'simulation', seeds: [1, 3_000] };
    const [games, runs] = rowsOf(pageOf([sim as typeof result]), 'deterministic simulation');
    expect(games).toContain('| 3,000 | 400 | 12,000 | 0 | 0 in 3,000: below 0.1 % |');
    expect(runs).toContain('100,000 seeds: 3,000 so far, 97,000 short');
  });

  it('keeps the problems of runs whose faults were mended since', () => {
    const [counts] = rowsOf(pageOf([{ ...result, lost: 2, problems: 3 }]), 'power lost');
    expect(counts).toContain('| 2 | 0 | 0 | 0 | 3 | 10 / 30 ms | 3 in 400 |');
  });

  it('refuses a campaign of which nobody says how it is run', () => {
    expect(() => pageOf([{ ...result, campaign: 'tea leaves' }])).toThrow("'tea leaves' is run");
  });

  it('counts the mutants of a part, and those that survive without a reason', () => {
    const survivors = ['3:1', '3:9', '4:1'].map((at) => ({
      at,
      to: at,
      what: at === '3:9' ? 'StringLiteral' : 'BlockStatement',
      status: 'Survived',
      isStatic: false,
    }));
    const outcome = { ...data.mutants.outcomes[0]!, killed: 16, failed: 0, timeout: 1, survivors };
    const outcomes = ['src/ring/a.ts', 'src/ring/b/c.ts'].map((file) => ({ ...outcome, file }));
    const reasons = parseReasons('- `src/ring/a.ts:3` BlockStatement: equal.\n');
    const samples: typeof data.mutants.samples = [];
    const page = withTables(readPage(PAGE), { ...data, mutants: { outcomes, samples, reasons } });
    expect(rowsOf(page, '`src/ring`, 2 files whole')).toEqual([
      '| `src/ring`, 2 files whole | 40 | 34 | — | — | 6 | 15.0 % | — | 6 | 5 |',
    ]);
  });

  /** The rows of a page whose only mutants are those of a sample of the store. */
  function rowsOfSample(more: Pick<Sample, 'atFirst' | 'survivors' | 'built'>): string[] {
    const counts = { killed: 0, timeout: 0, controls: 0, failedControls: 0, seconds: 1 };
    const run = { digest: 'd', commit: 'c', isQuick: false, date: '2026-11-30T00:00:00.000Z' };
    const sample = { part: 'store', seed: 4, of: 9_470, drawn: 148, ...counts, ...run, ...more };
    const mutants = { outcomes: [], samples: [sample], reasons: parseReasons('') };
    return rowsOf(withTables(readPage(PAGE), { ...data, mutants }), SAMPLED);
  }

  it('says how sure a sample of a part is, and what survives since', () => {
    const place = { file: 'src/store/a.ts', at: '3:1', to: '3:9' };
    const survivor = { ...place, what: 'X', status: 'Survived', isStatic: false };
    const atFirst = { survived: 12, noCoverage: 3 };
    expect(rowsOfSample({ atFirst, survivors: [survivor] })).toEqual([
      `| ${SAMPLED} | 148 | 133 | — | — | 15 | 10.1 % | 6.2 % to 16.0 % | 1 | 1 |`,
    ]);
  });

  it('counts the mutants of a sample that were found only when they were built', () => {
    const run = { commit: 'c', date: '2026-11-30T00:00:00.000Z', seconds: 1, seeds: 60 };
    const foundAtFirst = { simulation: 11, suites: 7 };
    const built = { ...run, unjudged: [], doubtful: 0, foundAtFirst, found: [] };
    const atFirst = { survived: 20, noCoverage: 13 };
    expect(rowsOfSample({ atFirst, survivors: [], built })).toEqual([
      `| ${SAMPLED} | 148 | 115 | 11 | 7 | 15 | 10.1 % | 6.2 % to 16.0 % | 0 | 0 |`,
    ]);
  });

  it('has reasons for mutants that do survive', () => {
    const { outcomes, samples, reasons } = data.mutants;
    const whole = outcomes.flatMap(({ file, survivors }) =>
      survivors.map((survivor) => keyOf(file, survivor)),
    );
    const drawn = samples.flatMap(({ survivors }) =>
      survivors.map((survivor) => keyOf(survivor.file, survivor)),
    );
    const surviving = [...whole, ...drawn];
    expect([...reasons.keys()].filter((key) => !surviving.includes(key))).toEqual([]);
  });

  it('names commands that are there', () => {
    const shown = data.found.map(({ command }) => command).filter((text) => text !== 'no test');
    const commands = [...Object.values(COMMANDS), ...shown];
    expect(commands.flatMap((command) => missingOf(command.replaceAll('`', '')))).toEqual([]);
  });

  it('makes the command of a test that is named by its file', () => {
    const text = readFileSync(join(ROOT, 'fuzz/found.md'), 'utf8');
    const line =
      '| 2999-01-01 | lost | A. | 2026-11-21 | test: x | y | test/docs.test.ts: the documents |';
    const found = parseFound(`${text}${line}\n`).at(-1)!;
    expect(found.command).toBe('`npx vitest run test/docs.test.ts`');
  });

  it('refuses a found fault of another form, by its line', () => {
    const text = readFileSync(join(ROOT, 'fuzz/found.md'), 'utf8');
    const good =
      '| 2999-01-01 | lost | A. | 2026-11-21 | test: x | a subject | `npx vitest run test/docs` |';
    expect(parseFound(`${text}${good}\n`)).toHaveLength(data.found.length + 1);
    for (const [from, to] of [
      ['| lost |', '| mislaid |'],
      ['test: x', 'luck: x'],
      ['2999-01-01', '2000-01-01'],
      ['2999-01-01', 'today'],
      [' A. |', ' |'],
      ['`npx', '`make'],
      [' a subject |', ''],
    ]) {
      expect(() => parseFound(`${text}${good.replace(from!, to!)}\n`)).toThrow(/line \d+/);
    }
    expect(Object.keys(FINDERS)).toContain('checker');
  });
});
