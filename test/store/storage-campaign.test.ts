import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judgeLedger } from '../../fuzz/storage/judge-ledger.js';
import { Ledger } from '../../fuzz/storage/ledger.js';
import { neededCommand } from '../support/needed-command.js';

/**
 * A little of each storage campaign (`npm run fuzz:storage`), and whether each finds the fault that is planted into it. The
 * seeds are those whose directories are small.
 */
const runner = fileURLToPath(new URL('../../fuzz/storage/run.js', import.meta.url));
const SUITE = 'test/store: the storage campaign';
const gcc = process.platform === 'linux' ? neededCommand('gcc', SUITE) : undefined;
const TIME_MS = 240_000;

let folder: string;

function event(id: string, sequence: number) {
  return { shard: 0, sequence, id, topic: 'a', payload: id, digest: id };
}

/** A shard that every way of reading shows the same. */
function shardOf(events: readonly (ReturnType<typeof event> | undefined)[]) {
  const there = events.filter((one) => one !== undefined);
  const keys = there.map(({ sequence, digest }) => `${sequence}:${digest}`);
  const backward = { keys: keys.toReversed() };
  const readings = {
    forward: { keys },
    backward,
    feed: { keys },
    'topic a': { keys },
    'topic a backward': backward,
  };
  return { head: there.at(-1)?.sequence ?? 0, events: there, pruned: {}, readings };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-campaign-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Directories are made once, and failing cases left in the folder that goes. */
function campaign(...args: string[]): { status: number | null; output: string } {
  const run = spawnSync(process.execPath, [runner, ...args, '--bases', join(folder, 'bases')], {
    encoding: 'utf8',
    timeout: TIME_MS,
    env: { ...process.env, TMPDIR: folder },
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe('a directory that is damaged', () => {
  test(
    'gives what is right, or says that it is damaged',
    () => {
      const { status, output } = campaign('mutate', '--seed', '8', '--count', '30');
      expect(output).toMatch(/mutate: 30 mutations, 0 silent: 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'from which one event is missing without a word is found out',
    () => {
      const { status, output } = campaign('mutate', '--canary', '--seed', '8', '--count', '8');
      expect(output).toMatch(
        /again with {2}node fuzz\/storage\/run.js mutate --seed \d+ --count 1/,
      );
      expect(output).toMatch(/[1-8] silent/);
      expect(status).toBe(1);
    },
    TIME_MS,
  );
});

describe.runIf(gcc !== undefined)('on a disk that records and fails', () => {
  test.each([
    ['after a power cut', ['power', '--seed', '1', '--count', '20']],
    ['after a call that failed', ['inject', '--seed', '900', '--count', '8']],
    ['after kills', ['kill', '--seed', '8', '--count', '3']],
  ])(
    '%s all is there that was acknowledged',
    (_, args) => {
      const { status, output } = campaign(...args);
      expect(output).toMatch(/: 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'flushes that are confirmed and not made are found out',
    () => {
      const { status, output } = campaign('power', '--seed', '77', '--count', '8', '--canary');
      expect(output).toMatch(/lost: r/);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});

describe('what is left of a directory', () => {
  const events = ['e1', 'e2', 'e3'].map((id, index) => event(id, index + 1));
  const before = { epoch: 'one', verify: [], shards: [shardOf(events)] };
  const survives = () => true;

  test('is right where it is as it was', () => {
    expect(judgeLedger(Ledger.of(before), before, survives)).toEqual([]);
  });

  test.each([
    ['an acknowledged event is gone', events.slice(0, 2), 'one', /^lost: e3/],
    ['one in the middle is gone', [events[0], events[2]], 'one', /^(hole|lost)/],
    [
      'one is another',
      [...events.slice(0, 2), { ...event('e3', 3), payload: 'x' }],
      'one',
      /^altered/,
    ],
    ['one was never published', [...events, event('e4', 4)], 'one', /^phantom/],
    [
      'two have changed places',
      [event('e2', 1), event('e1', 2), events[2]],
      'one',
      /^(moved|order)/,
    ],
  ])('is wrong where %s', (_, left, epoch, problem) => {
    const observed = { epoch, verify: [], shards: [shardOf(left)] };
    const problems = judgeLedger(Ledger.of(before), observed, survives);
    expect(
      problems.some((text: string) => problem.test(text)),
      problems.join(),
    ).toBe(true);
  });

  test('may lack what was not flushed, in another epoch alone', () => {
    const left = (epoch: string) => ({ epoch, verify: [], shards: [shardOf(events.slice(0, 2))] });
    const ledger = Ledger.of(before);
    expect(judgeLedger(ledger, left('two'), () => false)).toEqual([]);
    expect(judgeLedger(ledger, left('one'), () => false)).toEqual([
      expect.stringMatching(/^same epoch: e3/),
    ]);
  });
});

describe('the campaign', () => {
  test('refuses what it does not know', () => {
    expect(campaign('flood').status).toBe(2);
    expect(campaign('power', '--count', 'many').status).toBe(2);
  });
});
