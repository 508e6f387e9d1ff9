import { describe, expect, it, test } from 'vitest';
import { digestOf } from '../../fuzz/checker/events.js';
import { DIGEST, Run, type Told, withJob } from './by-hand.js';

/**
 * The judge of the checker, on what comes at its time: publishes that wait, schedules, letters of the dead; and on the
 * ways of reading. The histories are made by hand.
 */

const WAITS: Told = { id: 'a-6', topic: 't', sequence: 7 };
const DELAY_MS = 5;

/** A publish waits, and becomes an event at its time. */
function withWaiting(run: Run): void {
  run.publish(WAITS, { delayMs: DELAY_MS }, [0, 0, 'synced', 0]);
  run.replay.push([0, 7, 'a-6', 't', DIGEST]);
  run.heads = [7];
  run.at += DELAY_MS * 1e6;
  run.reader.push(run.delivery(WAITS));
}

function cancel(run: Run, ...outcome: unknown[]): void {
  run.publisher.push([++run.at, 99, 'invoke', 'cancel', { id: 'a-6', topic: 't' }]);
  if (outcome.length > 0) run.publisher.push([++run.at, 99, ...outcome]);
}

const TICKS = [2000, 3000];
const TICK = { name: 'tick-a', topic: 'tick', type: 'tick', everyMs: 1000, text: '1' };

function tickOf(dueAt: number): [Told, number] {
  const time = new Date(dueAt).toISOString();
  const attributes = { schedule: TICK.name, dueAt: time };
  const id = `${TICK.name}-${time.replace(/[-:.]/g, '')}`;
  return [
    { id, topic: 'tick', sequence: 6 + dueAt / 1000 - 1 },
    digestOf({ topic: 'tick', type: 'tick', attributes }, '1'),
  ];
}

/** A schedule is set at 1.5 s, has come through 3.5 s, and is deleted. The monotonic clock is the wall clock. */
function withSchedule(run: Run, dueTimes = TICKS): void {
  const call = (operation: number, [from, to]: number[], kind: string, args: object = {}) => {
    run.scheduler.push([from! * 1e6, operation, 'invoke', kind, { ...args, wall: from }]);
    run.scheduler.push([to! * 1e6, operation, 'ok', { isDone: true, wall: to }]);
  };
  call(1, [1500, 1510], 'schedule', TICK);
  call(2, [3500, 3510], 'fired', { until: 3500 });
  call(3, [3520, 3530], 'unschedule');
  for (const [at, dueAt] of dueTimes.entries()) {
    const [{ id, topic }, digest] = tickOf(dueAt);
    const sequence = 7 + at;
    run.replay.push([0, sequence, id, topic, digest]);
    run.heads = [sequence];
    run.at = Math.max(run.at, dueAt * 1e6);
    run.reader.push([++run.at, 1, 'event', 0, sequence, id, topic, digest]);
  }
}

const DOOMED: Told = { id: 'a-6', topic: 'doom.1', sequence: 7 };
const LETTER = {
  id: 'a-6',
  topic: 'doom.1',
  type: 'fact',
  shard: 0,
  sequence: 7,
  attempts: 3,
  cause: 'nak',
  digest: DIGEST,
};

/** An event has its three attempts, dies, and gets a letter. */
function withDeath(run: Run, dead: object = {}, letters = 1): void {
  withJob(run, DOOMED);
  for (const lease of [1, 2, 3]) run.job(DOOMED, lease, { kind: 'nak', outcome: 'ok' });
  for (let n = 0; n < letters; n++) {
    const id = `01M8-0-7-${n + 1}`;
    run.replay.push([0, 8 + n, id, 'dead', 5, { ...LETTER, ...dead }]);
    run.heads = [8 + n];
    run.reader.push([++run.at, 1, 'event', 0, 8 + n, id, 'dead', 5]);
  }
}

const WRONG: [what: string, rule: string, spoil: (run: Run) => void][] = [
  [
    'a publish that waited is not in the log',
    'C1',
    (run) => run.publish(WAITS, { delayMs: DELAY_MS }, [0, 0, 'synced', 0]),
  ],
  [
    'a publish that waits came before its time',
    'C4',
    (run) => {
      withWaiting(run);
      run.publisher.at(-2)![0] = run.at - 1;
      const args = run.publisher.at(-2)![4] as { delayMs: number };
      args.delayMs = 1000;
    },
  ],
  [
    'a publish that was cancelled came all the same',
    'C2',
    (run) => {
      withWaiting(run);
      cancel(run, 'ok', { cancelled: true });
    },
  ],
  ['a due time of a schedule has no event', 'C1', (run) => withSchedule(run, [2000])],
  [
    'a schedule publishes for a time that is not due',
    'C2',
    (run) => withSchedule(run, [2000, 2500, 3000]),
  ],
  [
    'a schedule publishes for a time before it was set',
    'C2',
    (run) => withSchedule(run, [1000, 2000, 3000]),
  ],
  [
    'a schedule publishes twice for a due time',
    'C3',
    (run) => withSchedule(run, [2000, 2000, 3000]),
  ],
  ['a schedule publishes in the wrong order', 'C3', (run) => withSchedule(run, [3000, 2000])],
  ['a dead event has no letter', 'C7', (run) => withDeath(run, {}, 0)],
  ['a dead event has two letters', 'C7', (run) => withDeath(run, {}, 2)],
  ['an event died before its last attempt', 'C7', (run) => withDeath(run, { attempts: 2 })],
  ['a letter is of an event that nobody published', 'C2', (run) => withDeath(run, { id: 'x-1' })],
  ['a letter names another place', 'C3', (run) => withDeath(run, { sequence: 6 })],
  ['a letter has another payload', 'C5', (run) => withDeath(run, { digest: 1 })],
  [
    'an event was acknowledged, and is dead',
    'C7',
    (run) => {
      withDeath(run);
      run.job(DOOMED, 4, { kind: 'ack', outcome: 'ok' });
    },
  ],
  [
    'a reading behind a cursor leaves out the next event',
    'C4',
    (run) => run.ask(run.events.slice(3), { kind: 'range', after: 2, limit: 9 }),
  ],
  [
    'a reading behind a cursor ends too early',
    'C1',
    (run) => run.ask(run.events.slice(2, 5), { kind: 'range', after: 2, limit: 9 }),
  ],
  [
    'a reading behind a cursor is not in order',
    'C4',
    (run) => run.ask(run.events.slice(2).reverse(), { kind: 'range', after: 2, limit: 9 }),
  ],
  [
    'a reading behind a cursor begins before it',
    'C4',
    (run) => run.ask(run.events.slice(1), { kind: 'range', after: 2, limit: 9 }),
  ],
  [
    'the newest event of a topic is missing',
    'C1',
    (run) => run.ask([], { kind: 'latest', topic: '*' }),
  ],
  [
    'the newest event of a topic is not the newest',
    'C4',
    (run) => run.ask(run.events.slice(4, 5), { kind: 'latest', topic: '*' }),
  ],
  [
    'an older event of a topic follows its newest',
    'C4',
    (run) => run.ask([run.events[5]!, run.events[4]!], { kind: 'latest', topic: '*' }),
  ],
  ['an event is not found by its id', 'C1', (run) => run.ask([], { kind: 'get', id: 'a-3' })],
  [
    'another event is found by an id',
    'C4',
    (run) => run.ask(run.events.slice(2, 3), { kind: 'get', id: 'a-3' }),
  ],
];

describe('the judge of the checker, on what comes at its time', () => {
  test.each([
    ['a publish that waits', withWaiting],
    ['a schedule', withSchedule],
    ['a dead event', withDeath],
    [
      'a dead event that was given up at once',
      (run: Run) => withDeath(run, { attempts: 1, cause: 'term' }),
    ],
    [
      'all ways of reading',
      (run: Run) => {
        run.ask(run.events.slice(2), { kind: 'range', after: 2, limit: 9 });
        run.ask(run.events.slice(2, 4), { kind: 'range', after: 2, limit: 2 });
        run.ask(run.events.slice(5), { kind: 'latest', topic: '*' });
        run.ask(run.events.slice(3, 4), { kind: 'get', id: 'a-3' });
      },
    ],
  ] as [string, (run: Run) => void][])('finds nothing wrong with %s', async (_, happen) => {
    const run = new Run();
    happen(run);
    expect(await run.problems()).toEqual([]);
  });

  test.each(WRONG)('finds that %s', async (_, rule, spoil) => {
    const run = new Run();
    spoil(run);
    const problems = await run.problems();
    expect(problems.filter((text) => text.startsWith(`${rule}: `))).not.toEqual([]);
  });

  it('bears a cancelled publish that never comes, and one of whose cancellation nobody knows', async () => {
    const gone = new Run();
    gone.publish(WAITS, { delayMs: DELAY_MS }, [0, 0, 'synced', 0]);
    cancel(gone, 'ok', { cancelled: true });
    expect(await gone.problems()).toEqual([]);

    for (const outcome of [['unknown', 'CONNECTION_FAILED'], []]) {
      const unknown = new Run();
      unknown.publish(WAITS, { delayMs: DELAY_MS }, [0, 0, 'synced', 0]);
      cancel(unknown, ...outcome);
      expect(await unknown.problems()).toEqual([]);
      const there = new Run();
      withWaiting(there);
      cancel(there, ...outcome);
      expect(await there.problems()).toEqual([]);
    }
  });

  it('wants a publish that was too late to be cancelled', async () => {
    const run = new Run();
    run.publish(WAITS, { delayMs: DELAY_MS }, [0, 0, 'synced', 0]);
    cancel(run, 'ok', { cancelled: false });
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C1: a-6 on t has had/));
  });

  it('does not ask for what was acknowledged after a question began', async () => {
    const run = new Run();
    run.ask(run.events.slice(5), { kind: 'latest', topic: '*' });
    run.publish({ id: 'a-6', topic: 'u', sequence: 7 });
    run.replay.push([0, 7, 'a-6', 'u', DIGEST]);
    run.heads = [7];
    run.reader.push(run.delivery({ id: 'a-6', topic: 'u', sequence: 7 }));
    expect(await run.problems()).toEqual([]);
  });
});
