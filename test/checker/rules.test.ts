import { describe, expect, it, test } from 'vitest';
import { matches } from '../../fuzz/checker/rules/matching.js';
import { DIGEST, EPOCH, Run, subscribing, withJob } from './by-hand.js';

/** The judge of the checker, on histories that are made by hand: right ones, and each kind of wrong one. */

/** The events 2 and 3 of the publisher have changed places, for everybody. */
function exchange(run: Run): void {
  for (const [n, sequence] of [
    [2, 4],
    [3, 3],
  ] as const) {
    run.outcome(n, 'ok', { epoch: EPOCH, acks: [[0, sequence, 'synced', 0]] });
    run.replay[sequence - 1]![2] = `a-${n}`;
    run.reader[sequence + 1]![5] = `a-${n}`;
  }
}

/** A run of six events that became wrong in one way, and the rule that has to say so. */
const WRONG: [what: string, rule: string, spoil: (run: Run) => void][] = [
  [
    'an acknowledged event is not in the log, and was its last',
    'C1',
    (run) => {
      run.replay.pop();
      run.heads = [5];
    },
  ],
  [
    'an ack says less than was asked for',
    'C1',
    (run) => run.outcome(2, 'ok', { epoch: EPOCH, acks: [[0, 3, 'written', 0]] }),
  ],
  [
    'a query leaves out an event that was acknowledged before',
    'C1',
    (run) => run.ask(run.events.slice(2, 5).reverse()),
  ],
  [
    'only a part of a group is there',
    'C1',
    (run) => {
      const events = [0, 1].map((n) => [`g-${n}`, 't', 'fact', DIGEST]);
      run.publisher.push([++run.at, 99, 'invoke', 'publish', { events, atomic: true }]);
      run.replay.push([0, 7, 'g-0', 't', DIGEST]);
      run.heads = [7];
      run.reader.push(run.delivery({ id: 'g-0', topic: 't', sequence: 7 }));
    },
  ],
  [
    'an event is in the log that nobody published',
    'C2',
    (run) => {
      run.replay.push([0, 7, 'x-0', 't', DIGEST]);
      run.heads = [7];
    },
  ],
  ['a refused event is in the log', 'C2', (run) => run.outcome(2, 'fail', 'STORE_FULL')],
  [
    'an ephemeral event is in the log',
    'C2',
    (run) => {
      run.publish({ id: 'a-6', topic: 't', sequence: 0 }, { ephemeral: true }, [0, 0, 'none', 0]);
      run.replay.push([0, 7, 'a-6', 't', DIGEST]);
      run.heads = [7];
      run.reader.push(run.delivery({ id: 'a-6', topic: 't', sequence: 7 }));
    },
  ],
  [
    'a reader got an event that nobody published',
    'C2',
    (run) => run.reader.push(run.delivery({ id: 'x-0', topic: 't', sequence: 7 })),
  ],
  [
    'an event on another topic took the id of one',
    'C2',
    (run) => {
      run.replay[2]![3] = 'u';
    },
  ],
  [
    'an ack names the place of another event',
    'C3',
    (run) => run.outcome(2, 'ok', { epoch: EPOCH, acks: [[0, 2, 'synced', 0]] }),
  ],
  [
    'an event is stored twice',
    'C3',
    (run) => {
      run.replay.push([0, 7, 'a-2', 't', DIGEST]);
      run.heads = [7];
    },
  ],
  [
    'a reader got another event in a place',
    'C3',
    (run) => {
      run.reader.push(run.delivery({ id: 'a-2', topic: 't', sequence: 7 }));
    },
  ],
  [
    'the log has a hole',
    'C3',
    (run) => {
      run.outcome(2, 'unknown', 'PUBLISH_UNKNOWN', {});
      run.replay.splice(2, 1);
      run.reader.splice(4, 1);
    },
  ],
  ['two events of a publisher have changed places', 'C3', exchange],
  [
    'an event stands behind another than it expected',
    'C3',
    (run) => {
      const [, , , , args] = run.publisher[4] as [0, 0, 0, 0, { expect: unknown }];
      args.expect = 1;
    },
  ],
  ['a reader missed an event', 'C4', (run) => void run.reader.splice(4, 1)],
  [
    'a reader got an event again',
    'C4',
    (run) => void run.reader.splice(5, 0, run.delivery(run.events[2]!)),
  ],
  [
    'a reader got two events in the wrong order',
    'C4',
    (run) => void run.reader.splice(3, 2, run.reader[4]!, run.reader[3]!),
  ],
  [
    'a reader got an event behind its checkpoint again',
    'C4',
    (run) => {
      run.reader.splice(5, 0, [++run.at, 1, 'checkpoint', 'c']);
      run.reader.push([++run.at, 2, 'invoke', 'subscribe', subscribing('checkpoint')]);
      for (const event of run.events.slice(2)) run.reader.push(run.delivery(event, 2));
    },
  ],
  [
    'a reader was told of a gap where there is none',
    'C4',
    (run) => void run.reader.splice(3, 0, [++run.at, 1, 'gap', 0, 2, 3, 'pruned']),
  ],
  [
    'a reader got an event that it did not ask for',
    'C4',
    (run) => {
      run.reader[0] = [
        run.at,
        1,
        'invoke',
        'subscribe',
        subscribing('earliest', { topics: ['u'] }),
      ];
    },
  ],
  [
    'a subscription ended for a reason that is none',
    'C4',
    (run) => run.reader.push([++run.at, 1, 'ended', 'STORE_CORRUPT']),
  ],
  [
    'an ephemeral event came twice',
    'C4',
    (run) => {
      run.publish({ id: 'a-6', topic: 't', sequence: 0 }, { ephemeral: true }, [0, 0, 'none', 0]);
      const event = { id: 'a-6', topic: 't', sequence: 0 };
      run.reader.push(run.delivery(event), run.delivery(event));
    },
  ],
  [
    'a query leaves out an event between others',
    'C4',
    (run) => run.ask([run.events[5]!, run.events[3]!, run.events[2]!]),
  ],
  [
    'an event is altered in the log',
    'C5',
    (run) => {
      run.replay[2]![4] = 8;
    },
  ],
  [
    'an event is altered for a reader',
    'C5',
    (run) => {
      run.reader[4]![7] = 8;
    },
  ],
  ['a reader never got the last event', 'C6', (run) => void run.reader.pop()],
  [
    'a publish has no outcome after the calm',
    'C6',
    (run) => {
      run.publisher.pop();
      run.nemesis.push([1, 1, 'invoke', 'fault', { name: 'kill' }], [2, 1, 'ok', { how: 'it' }]);
      run.nemesis.push([++run.at, 0, 'calm']);
    },
  ],
  [
    'a publish has its outcome too late after the calm',
    'C6',
    (run) => {
      run.nemesis.push([1, 1, 'invoke', 'fault', { name: 'kill' }], [2, 1, 'ok', { how: 'it' }]);
      run.nemesis.push([3, 0, 'calm']);
      run.publisher.at(-1)![0] = 3 + 61e9;
    },
  ],
  ...(
    [
      ['acked twice', [7, 'ack', 'ok'], [8, 'ack', 'ok']],
      ['acked, and handed out again', [7, 'ack', 'ok'], [8, 'ack', 'unknown']],
      ['begun twice in one lease', [7, 'nak', 'ok'], [7, 'ack', 'ok']],
      ['never done', [7, 'nak', 'ok']],
    ] as [string, ...[number, string, string][]][]
  ).map(([what, ...leases]): [string, string, (run: Run) => void] => [
    `a job was ${what}`,
    'C7',
    (run) => {
      const job = { id: 'a-6', topic: 'jobs.1', sequence: 7 };
      withJob(run, job);
      for (const [lease, kind, outcome] of leases) run.job(job, lease, { kind, outcome });
    },
  ]),
  [
    'two leases of a job overlap',
    'C7',
    (run) => {
      const job = { id: 'a-6', topic: 'jobs.1', sequence: 7 };
      withJob(run, job);
      run.job(job, 7, { kind: 'nak', outcome: 'ok' });
      run.job(job, 8, { kind: 'ack', outcome: 'ok' });
      const [begun] = run.member.splice(3, 1);
      run.member.splice(1, 0, [run.member[0]![0], ...begun!.slice(1)]);
    },
  ],
  [
    'the second job of a key goes out before the first',
    'C7',
    (run) => {
      const jobs = [7, 8].map((sequence) => ({
        id: `a-${sequence - 1}`,
        topic: 'jobs.1',
        sequence,
      }));
      for (const job of jobs) withJob(run, job);
      run.job(jobs[1]!, 7, { kind: 'ack', outcome: 'ok' });
      run.job(jobs[0]!, 8, { kind: 'ack', outcome: 'ok' });
    },
  ],
];

describe('the judge of the checker', () => {
  it('finds nothing wrong where all went well', async () => {
    const run = new Run();
    run.ask(run.events.slice(3).reverse());
    withJob(run, { id: 'a-6', topic: 'jobs.1', sequence: 7 });
    run.job({ id: 'a-6', topic: 'jobs.1', sequence: 7 }, 1, { kind: 'nak', outcome: 'ok' });
    run.job({ id: 'a-6', topic: 'jobs.1', sequence: 7 }, 2, { kind: 'ack', outcome: 'ok' });
    run.nemesis.push([1, 1, 'invoke', 'fault', { name: 'kill' }], [2, 1, 'ok', { how: 'it' }]);
    run.nemesis.push([3, 0, 'calm']);
    expect(await run.problems()).toEqual([]);
  });

  test.each(WRONG)('finds that %s', async (_, rule, spoil) => {
    const run = new Run();
    spoil(run);
    const problems = await run.problems();
    expect(problems.filter((text) => text.startsWith(`${rule}: `))).not.toEqual([]);
  });

  it('bears repeats of what no checkpoint covers, after a break', async () => {
    const run = new Run();
    run.reader.splice(5, 0, [++run.at, 1, 'checkpoint', 'c']);
    run.reader.push([++run.at, 2, 'invoke', 'subscribe', subscribing('checkpoint')]);
    for (const event of run.events.slice(3)) run.reader.push(run.delivery(event, 2));
    expect(await run.problems()).toEqual([]);
  });

  it('bears an event whose outcome nobody knew, there or not', async () => {
    const there = new Run();
    there.outcome(5, 'unknown', 'PUBLISH_UNKNOWN', {});
    expect(await there.problems()).toEqual([]);

    const gone = new Run();
    gone.outcome(5, 'unknown', 'PUBLISH_UNKNOWN', {});
    gone.replay.pop();
    gone.reader.pop();
    gone.heads = [5];
    expect(await gone.problems()).toEqual([]);
  });

  it('bears an event that was refused first and taken later, under the same id', async () => {
    const run = new Run();
    run.outcome(5, 'fail', 'STORE_FULL');
    run.publish(run.events[5]!);
    expect(await run.problems()).toEqual([]);
  });

  it('bears what retention removed, as long as it keeps as many as it should', async () => {
    const run = new Run();
    run.replay.splice(0, 4);
    run.pruned = [{ pattern: 't', kept: 2 }];
    expect(await run.problems()).toEqual([]);

    run.pruned = [{ pattern: 't', kept: 3 }];
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C1: a-3/));
  });

  it('wants a gap for what retention removed and a reader did not get', async () => {
    const run = new Run();
    run.replay.splice(0, 4);
    run.pruned = [{ pattern: 't', kept: 2 }];
    run.reader.splice(4, 2);
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C4: .*a-2/));

    run.reader.splice(4, 0, [++run.at, 1, 'gap', 0, 3, 4, 'pruned']);
    expect(await run.problems()).toEqual([]);

    // Its bounds may have events that are left: they come all the same.
    run.reader.splice(4, 1, [run.at, 1, 'gap', 0, 3, 5, 'pruned']);
    expect(await run.problems()).toEqual([]);
    run.reader.splice(5, 1);
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C4: .*a-4/));
  });

  it('bears that written events are gone only where power may be lost, and then in a new epoch', async () => {
    const run = new Run();
    run.publisher[10]![4] = { events: [['a-5', 't', 'fact', DIGEST]], durability: 'written' };
    run.outcome(5, 'ok', { epoch: EPOCH, acks: [[0, 6, 'written', 0]] });
    run.replay.pop();
    run.reader.pop();
    run.heads = [5];
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C1: a-5/));

    run.losesPower = true;
    expect(await run.problems()).toEqual([expect.stringMatching(/^C3: a-5 .* is gone$/)]);

    run.outcome(5, 'ok', { epoch: 'before', acks: [[0, 6, 'written', 0]] });
    expect(await run.problems()).toEqual([]);
  });

  it.each(['state', 'start'])(
    'promises no order to a publish that had no answer before another connection or life: %s',
    async (entry) => {
      const run = new Run();
      exchange(run);
      const order = /^C3: a-2 .* stands behind a-3/;
      expect(await run.problems()).toEqual([expect.stringMatching(order)]);

      const [late] = run.publisher.splice(5, 1);
      if (entry === 'state') run.publisher.push(late!);
      expect(await run.problems()).toEqual([expect.stringMatching(order)]);

      const more = entry === 'start' ? [{ pid: 1 }] : ['connected'];
      run.publisher.splice(5, 0, [run.publisher[4]![0], 0, entry, ...more]);
      expect(await run.problems()).toEqual([]);
    },
  );

  it('bears what a client does between its end and its next life', async () => {
    const run = new Run();
    run.reader.push([++run.at, 0, 'end']);
    run.reader.push([++run.at, 2, 'invoke', 'subscribe', subscribing('earliest')]);
    run.reader.push([++run.at, 2, 'ended', 'BUS_CLOSED']);
    expect(await run.problems()).toEqual([]);
  });

  it('asks of a reader that began with `now` only what was published after it was ready', async () => {
    const run = new Run();
    run.reader.length = 0;
    run.reader.push([1, 1, 'invoke', 'subscribe', subscribing('now')]);
    run.reader.push([run.publisher[5]![0], 1, 'ok']);
    for (const event of run.events.slice(3)) run.reader.push(run.delivery(event));
    expect(await run.problems()).toEqual([]);

    run.reader.splice(2, 1);
    expect(await run.problems()).toContainEqual(expect.stringMatching(/^C4: .*a-3/));
  });

  it('takes the order of a key only within a shard, and of the leases there', async () => {
    const run = new Run();
    const jobs = [7, 8].map((sequence) => ({ id: `a-${sequence - 1}`, topic: 'jobs.1', sequence }));
    for (const job of jobs) withJob(run, job);
    run.job(jobs[0]!, 7, { kind: 'ack', outcome: 'ok' });
    run.job(jobs[1]!, 8, { kind: 'ack', outcome: 'ok' });
    expect(await run.problems()).toEqual([]);
  });

  it.each([
    ['*', 'a', true],
    ['*', '$sys.a', false],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', true],
    ['a.+', 'a.b.c', false],
    ['*.b', 'a.b', true],
    ['*.b', 'a.c.b', false],
    ['a.b', 'a.b', true],
    ['$sys.*', '$sys.a', true],
  ])('knows that %s and %s: %s', (pattern, topic, isMatch) => {
    expect(matches(pattern, topic)).toBe(isMatch);
  });
});
