import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { eventOf, jobOf, reasonOf } from '../../fuzz/consumers/jobs.js';
import { judge } from '../../fuzz/consumers/judge.js';
import { plants } from '../../fuzz/consumers/plants.js';
import { neededCommand } from '../support/needed-command.js';

/**
 * A short game of `npm run fuzz:consumers`, in which everybody who works for a consumer is killed, and its judge: it has
 * to find each kind of fault.
 */

const RUNNER = fileURLToPath(new URL('../../fuzz/consumers/run.js', import.meta.url));
const TIME_MS = 240_000;
const chromium = neededCommand('chromium', 'browsers that work for a consumer and are killed');

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-kills-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function game(...args: string[]): { status: number | null; output: string } {
  const usual = ['--dir', folder, '--kill-ms', '600', '--seed', '7'];
  const run = spawnSync(process.execPath, [RUNNER, ...usual, ...args], {
    encoding: 'utf8',
    timeout: TIME_MS,
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe('workers, browsers and a server that are killed', () => {
  it(
    'do each job once, in the order of its key, with its attempts counted right',
    () => {
      const browsers = chromium === undefined ? ['--no-browsers'] : [];
      const { status, output } = game('--minutes', '0.15', '--jobs', '2500', ...browsers);
      expect(output).toMatch(/fuzz: 0 problems/);
      expect(status, output).toBe(0);
    },
    TIME_MS,
  );

  it(
    'are found out if the server forgets what a death has cost',
    () => {
      const fault = 'the death of the server costs nothing';
      const short = ['--minutes', '0.12', '--jobs', '2500', '--no-browsers'];
      const { status, output } = game(...short, '--plant', fault);
      expect(output).toContain(`fuzz: ${plants[fault].rule}: `);
      expect(status).toBe(1);
    },
    TIME_MS,
  );

  test('are not started for wrong arguments', () => {
    expect(game('--plant', 'moles').status).toBe(2);
    expect(game('--jobs', 'many').status).toBe(2);
  });
});

type Line = [at: number, what: string, ...rest: (string | number)[]];
type Attributes = Record<string, string>;

const SEED = 1;
const JOBS = 400;
const CLOCK = { wallMs: 0, at: 0 };
const plan = Array.from({ length: JOBS }, (_, n) => jobOf(SEED, n, JOBS));

/** What is seen of a game without any kill, in which one member did all jobs as they were planned. */
function seenOf() {
  const lines: Line[] = [];
  const events: { id: string; topic: string; [name: string]: unknown }[] = [];
  let [at, lease, dead] = [1e9, 0, 0];
  for (const job of plan) {
    const { n, id, fate, fails } = job;
    const sequence = n + 1;
    const timestamp = new Date(n).toISOString();
    events.push({ ...eventOf(job), shard: 0, sequence, timestamp });
    const attempts = fate === 'poison' ? 6 : fails + 1;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      lease++;
      const isNak = fate === 'poison' || attempt <= fails;
      const kind = isNak ? 'nak' : fate === 'term' ? 'term' : 'ack';
      lines.push([at++, 'invoke', n, sequence, 0, lease, attempt]);
      lines.push([at++, 'say', n, lease, kind], [at++, 'said', n, lease, 'ok']);
    }
    if (fate !== 'poison' && fate !== 'term') continue;
    dead++;
    const attributes: Attributes = {
      deadId: id,
      deadAttempts: String(attempts),
      deadCause: fate === 'term' ? 'term' : 'nak',
      deadReason: reasonOf(job),
    };
    events.push({ id: `letter-${n}`, topic: 'dead.jobs', payload: { n }, attributes });
  }
  const info = { acked: JOBS - dead, dead, lost: 0, waiting: 0, held: 0, pending: 0 };
  const diaries = [{ name: 'worker-1', lines }];
  const serverKills: number[] = [];
  const losses: number[] = [];
  const unknown: string[] = [];
  const game = { seed: SEED, jobs: JOBS, clock: CLOCK };
  return { ...game, events, diaries, info, serverKills, losses, unknown };
}

type Seen = ReturnType<typeof seenOf>;

const linesOf = (seen: Seen, n: number): Line[] =>
  seen.diaries[0]!.lines.filter(([, , of]) => of === n);
const ofFate = (fate: string) => plan.find((job) => job.fate === fate)!;
const letterOf = (seen: Seen, fate: string) =>
  seen.events.find(({ id }) => id === `letter-${ofFate(fate).n}`) as unknown as {
    attributes: Attributes;
  };

/** Adds a delivery of a job behind all others. */
function again(seen: Seen, n: number, attempt: number, kind = 'ack'): void {
  const { lines } = seen.diaries[0]!;
  lines.push([2e12, 'invoke', n, n + 1, 0, 1e6, attempt]);
  lines.push([2e12 + 1, 'say', n, 1e6, kind], [2e12 + 2, 'said', n, 1e6, 'ok']);
}

/** Takes what the diary has of a job out of it. */
function without(seen: Seen, n: number): Line[] {
  const [diary] = seen.diaries;
  const taken = linesOf(seen, n);
  diary!.lines = diary!.lines.filter((line) => !taken.includes(line));
  return taken;
}

const FAULTS: [is: string, rule: string, spoil: (seen: Seen) => void][] = [
  ['an event is not in the log', 'log', (seen) => void seen.events.shift()],
  ['an event is in the log twice', 'log', (seen) => void seen.events.push(seen.events[0]!)],
  ['an acked event comes again', 'acked once', (seen) => again(seen, ofFate('done').n, 2)],
  ['a dead event comes again', 'acked once', (seen) => again(seen, ofFate('term').n, 2)],
  [
    'an acked event is dead as well',
    'acked once',
    (seen) => {
      letterOf(seen, 'term').attributes.deadId = ofFate('done').id;
    },
  ],
  ['an event never comes', 'lost', (seen) => void without(seen, ofFate('done').n)],
  [
    'an event is not acknowledged',
    'lost',
    (seen) => {
      linesOf(seen, ofFate('done').n)[2]![4] = 'lost';
    },
  ],
  [
    'one lease is two deliveries',
    'lease',
    (seen) => void seen.diaries[0]!.lines.push(linesOf(seen, 0)[0]!),
  ],
  [
    'the next of a key is leased too early',
    'order',
    (seen) => {
      const key = ofFate('done').key;
      const [first, second] = plan.filter((job) => job.key === key).map(({ n }) => n);
      const [one, other] = [linesOf(seen, first!), linesOf(seen, second!)];
      for (const line of one) line[line[1] === 'invoke' ? 5 : 3] = 1e6;
      expect(other.length).toBeGreaterThan(0);
    },
  ],
  [
    'the next of a key begins too early',
    'order',
    (seen) => {
      const key = ofFate('done').key;
      const [, second] = plan.filter((job) => job.key === key).map(({ n }) => n);
      linesOf(seen, second!)[0]![0] = 1;
    },
  ],
  [
    'a failure costs nothing',
    'attempts',
    (seen) => {
      linesOf(seen, ofFate('flaky').n)[3]![6] = 1;
    },
  ],
  [
    'an attempt is counted that nobody began',
    'attempts',
    (seen) => {
      linesOf(seen, ofFate('done').n)[0]![6] = 2;
    },
  ],
  [
    'a hand-back costs one',
    'attempts',
    (seen) => {
      const { n } = ofFate('done');
      linesOf(seen, n)[1]![4] = 'back';
      again(seen, n, 2);
    },
  ],
  [
    'a death costs nothing',
    'attempts',
    (seen) => {
      const { n } = ofFate('slow');
      const [invoke] = without(seen, n);
      seen.diaries[0]!.lines.push(invoke!);
      seen.losses.push(1000);
      again(seen, n, 1);
    },
  ],
  [
    'a letter is missing',
    'letter',
    (seen) => {
      seen.events = seen.events.filter(({ id }) => id !== `letter-${ofFate('poison').n}`);
    },
  ],
  [
    'a letter is there twice',
    'letter',
    (seen) => void seen.events.push(letterOf(seen, 'poison') as unknown as Seen['events'][0]),
  ],
  [
    'a letter gives another reason',
    'letter',
    (seen) => {
      letterOf(seen, 'poison').attributes.deadReason = 'none';
    },
  ],
  [
    'a letter gives another cause',
    'letter',
    (seen) => {
      letterOf(seen, 'term').attributes.deadCause = 'expired';
    },
  ],
  [
    'a letter speaks of deaths that were none',
    'letter',
    (seen) => {
      Object.assign(letterOf(seen, 'term').attributes, { deadCause: 'lost', deadAttempts: '6' });
    },
  ],
  [
    'an event dies before its last attempt',
    'letter',
    (seen) => {
      letterOf(seen, 'poison').attributes.deadAttempts = '5';
    },
  ],
  [
    'a job dies that nobody planned to',
    'letter',
    (seen) => {
      letterOf(seen, 'poison').attributes.deadId = ofFate('flaky').id;
    },
  ],
  ['the consumer says that more was done', 'figures', (seen) => void seen.info.acked++],
];

describe('the judge of these games', () => {
  it('finds nothing wrong where all went as planned', () => {
    expect(judge(seenOf()).problems).toEqual([]);
  });

  test.each(FAULTS)('finds that %s', (_, rule, spoil) => {
    const seen = seenOf();
    spoil(seen);
    const { problems } = judge(seen);
    expect(problems.filter((text: string) => text.startsWith(`${rule}: `))).not.toEqual([]);
  });

  it('bears an attempt that is missing in the diaries, where somebody died meanwhile', () => {
    const seen = seenOf();
    const { n } = ofFate('done');
    linesOf(seen, n)[0]![6] = 2;
    seen.serverKills.push((linesOf(seen, n)[0]![0] as number) - 1);
    expect(judge(seen).problems).toEqual([]);
  });

  it('bears that a job is nowhere only if its publisher knows that it may be', () => {
    const [seen, { n, id }] = [seenOf(), ofFate('done')];
    seen.events = seen.events.filter((event) => event.id !== id);
    const taken = without(seen, n);
    seen.info.acked--;
    expect(judge(seen).problems).toEqual([`log: ${id} is not there`]);

    seen.unknown.push(id);
    expect(judge(seen).problems).toEqual([]);

    seen.diaries[0]!.lines.push(...taken);
    expect(judge(seen).problems).toEqual([`log: ${id} is not there`]);
  });
});
