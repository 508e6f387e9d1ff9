import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judgeLedger } from '../../fuzz/storage/judge-ledger.js';
import { Ledger } from '../../fuzz/storage/ledger.js';
import { neededCommand } from '../support/needed-command.js';

/**
 * Runs a little of each storage campaign (`npm run fuzz:storage`), and checks that each finds a planted fault. The
 * seeds were chosen for small directories.
 */
const runner = fileURLToPath(new URL('../../fuzz/storage/run.js', import.meta.url));
const SUITE = 'test/store: the storage campaign';
const gcc = process.platform === 'linux' ? neededCommand('gcc', SUITE) : undefined;
const TIME_MS = 240_000;
/** Memory where there is some: what these campaigns break is in their processes. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let folder: string;

function event(id: string, sequence: number) {
  return { shard: 0, sequence, id, topic: 'a', payload: id, digest: id };
}

/** A shard of which every way of reading shows the same events. */
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
  folder = mkdtempSync(join(PLACE, 'millrace-campaign-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Runs a campaign. It makes its base directories once, and leaves failing cases in a folder that is removed at the end.
 */
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
    'reads correctly or reports its damage',
    () => {
      const { status, output } = campaign('mutate', '--seed', '8', '--count', '20');
      expect(output).toMatch(/mutate: 20 mutations, 0 silent: 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'fails the campaign if an event is silently missing',
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
    ['after a power cut', ['power', '--seed', '1', '--count', '8']],
    ['with its payload in a file, after a power cut', ['payloads', '--seed', '5', '--count', '8']],
    ['after a call that failed', ['inject', '--seed', '900', '--count', '5']],
    ['after kills', ['kill', '--seed', '8', '--count', '2']],
  ])(
    'every acknowledged event is there %s',
    (_, args) => {
      const { status, output } = campaign(...args);
      expect(output).toMatch(/: 0 problems, 0 hung/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'every acknowledged event is there after any call failed, each at its place, and equal remains are looked at once',
    () => {
      const { status, output } = campaign('errnos', '--seed', '11', '--count', '22');
      expect(output).toMatch(/22 injections, \d+ possible, \d looked, 0 elsewhere: 0 problems/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  test(
    'an event that is missing after a call failed is found however often what is left looks the same',
    () => {
      const { status, output } = campaign('errnos', '--seed', '11', '--count', '22', '--canary');
      expect(output).toMatch(/22 looked, 0 elsewhere: 22 problems/);
      expect(output).toMatch(/\(write of lock.json\) ENOSPC filling: hole: /);
      expect(status).toBe(1);
    },
    TIME_MS,
  );

  test.each([
    ['of logs', 'power', /lost: r/],
    ['of payload files', 'payloads', /unreadable: /],
  ])(
    'flushes %s that are confirmed but not made fail the campaign',
    (_, name, problem) => {
      const { status, output } = campaign(name, '--seed', '77', '--count', '8', '--canary');
      expect(output).toMatch(problem);
      expect(status, output).toBe(1);
    },
    TIME_MS,
  );
});

describe('what is left of a directory', () => {
  const events = ['e1', 'e2', 'e3'].map((id, index) => event(id, index + 1));
  const before = { epoch: 'one', verify: [], shards: [shardOf(events)] };
  const survives = () => true;

  test('is right if it is unchanged', () => {
    expect(judgeLedger(Ledger.of(before), before, survives)).toEqual([]);
  });

  test.each([
    ['an acknowledged event is gone', events.slice(0, 2), 'one', /^lost: e3/],
    ['an event in the middle is gone', [events[0], events[2]], 'one', /^(hole|lost)/],
    [
      'an event is altered',
      [...events.slice(0, 2), { ...event('e3', 3), payload: 'x' }],
      'one',
      /^altered/,
    ],
    ['an event was never published', [...events, event('e4', 4)], 'one', /^phantom/],
    [
      'two events have changed places',
      [event('e2', 1), event('e1', 2), events[2]],
      'one',
      /^(moved|order)/,
    ],
  ])('is wrong if %s', (_, left, epoch, problem) => {
    const observed = { epoch, verify: [], shards: [shardOf(left)] };
    const problems = judgeLedger(Ledger.of(before), observed, survives);
    expect(
      problems.some((text: string) => problem.test(text)),
      problems.join(),
    ).toBe(true);
  });

  test('may lack unflushed events only in another epoch', () => {
    const left = (epoch: string) => ({ epoch, verify: [], shards: [shardOf(events.slice(0, 2))] });
    const ledger = Ledger.of(before);
    expect(judgeLedger(ledger, left('two'), () => false)).toEqual([]);
    expect(judgeLedger(ledger, left('one'), () => false)).toEqual([
      expect.stringMatching(/^same epoch: e3/),
    ]);
  });
});

describe('the campaign', () => {
  test('refuses unknown arguments', () => {
    expect(campaign('flood').status).toBe(2);
    expect(campaign('power', '--count', 'many').status).toBe(2);
  });
});
