/** Events that a consumer comes to later than the shard appends them, with their records at hand or read back. */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { SETTLE_ACK } from '../../../../src/link/consumer-records.js';
import type { ConsumerOptions } from '../../../../src/protocol/consumers.js';
import { BusError } from '../../../../src/protocol/errors.js';
import { KIB } from '../../../../src/protocol/limits/units.js';
import { TestLink } from '../../support.js';
import { entryOf, publish, TestMember, working } from '../rig.js';

type Rig = ReturnType<typeof working>;

/** Turns until nothing comes any more. @returns the sequences that were leased, each acknowledged */
function workOff({ turn }: Pick<Rig, 'turn'>, one: TestMember): number[] {
  const seen: number[] = [];
  for (let quiet = 0; quiet < 3; ) {
    turn();
    const leases = one.leases();
    quiet = leases.length > 0 ? 0 : quiet + 1;
    if (leases.length > 0) one.settle(SETTLE_ACK, leases);
    one.tokens(leases.length);
    seen.push(...leases.map(({ sequence }) => sequence));
  }
  return seen;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** Publishes, a turn after each few. */
function publishAll(link: TestLink, turn: () => void, count: number, bytes = 1): void {
  for (let n = 1; n <= count; n++) {
    link.publish({ topic: 'jobs.a', id: `job-${n}`, payload: { n, text: 'x'.repeat(bytes) } });
    if (n % 7 === 0) turn();
  }
  turn();
}

describe('the events that a consumer comes to later', () => {
  test('are not read from the log while there is room for their records', () => {
    const rig = working({ maxAhead: 10 }, 0);
    const read = vi.spyOn(rig.log, 'read');
    publishAll(rig.link, rig.turn, 300);
    rig.one.tokens(4);
    expect(workOff(rig, rig.one)).toEqual(range(1, 300));
    expect(read).not.toHaveBeenCalled();
    expect(rig.log.consumers.load()).toMatchObject([{ acked: 300, position: 300 }]);
  });

  test('are read from the log where there is none, and each comes once, in its order', () => {
    const rig = working({ maxAhead: 5 }, 0);
    const read = vi.spyOn(rig.log, 'read');
    // 20 MiB, so that the first ones are kept and the last ones are not.
    publishAll(rig.link, rig.turn, 400, 50 * KIB);
    rig.one.tokens(4);
    const seen = workOff(rig, rig.one);
    expect(seen).toEqual(range(1, 400));
    const first = Math.min(...read.mock.calls.map(([{ after }]) => after));
    expect(first).toBeGreaterThan(150);
    expect(first).toBeLessThan(300);
  });

  test('have room again once they were used', () => {
    const rig = working({ maxAhead: 5 }, 4);
    const read = vi.spyOn(rig.log, 'read');
    for (let round = 0; round < 8; round++) {
      for (let n = 0; n < 100; n++) {
        const id = `job-${round}-${n}`;
        rig.link.publish({ topic: 'jobs.a', id, payload: { n, text: 'x'.repeat(50 * KIB) } });
        if (n % 7 === 0) rig.turn();
      }
      expect(workOff(rig, rig.one)).toHaveLength(100);
    }
    expect(read).not.toHaveBeenCalled();
  });

  test('come to each of several consumers', () => {
    const rig = working({ maxAhead: 10 }, 0);
    const two = secondMember(rig, { maxAhead: 3 });
    const read = vi.spyOn(rig.log, 'read');
    publishAll(rig.link, rig.turn, 200);
    rig.one.tokens(4);
    two.tokens(3);
    expect(workOff(rig, rig.one)).toEqual(range(1, 200));
    expect(workOff(rig, two)).toEqual(range(1, 200));
    expect(read).not.toHaveBeenCalled();
  });

  test('come once and in order through seeks, other filters and refused batches', () => {
    fc.assert(fc.property(game, playAndJudge), { numRuns: 150 });
  });
});

function secondMember(rig: Rig, options: Partial<ConsumerOptions>): TestMember {
  rig.shard.applyConsumers([
    entryOf(options),
    entryOf(options, { id: 'c2', name: 'other', gate: 1 }),
  ]);
  const link = new TestLink(1024 * 1024);
  rig.join(link);
  const member = new TestMember(link, 1);
  member.join('c2');
  rig.turn();
  member.said();
  return member;
}

const TOPICS = ['jobs.a', 'jobs.b', 'other'];
const FILTERS = ['jobs.*', 'jobs.a', 'jobs.b'];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      topics: fc.array(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 9 }),
      isRefused: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      turns: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('seek' as const), back: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('filter' as const),
      filter: fc.constantFrom(...FILTERS),
    }),
  },
);
const game = fc.record({
  maxAhead: fc.integer({ min: 1, max: 6 }),
  steps: fc.array(step, { minLength: 5, maxLength: 60 }),
});
type Game = typeof game extends fc.Arbitrary<infer G> ? G : never;

const matches = (filter: string, topic: string): boolean =>
  filter === topic || (filter === 'jobs.*' && topic !== 'other');

/** One consumer changes, the other one does not. */
class Judged {
  filter = 'jobs.*';
  round = 1;
  position = 0;
  /** What has still to come, and what may come. */
  must = new Set<number>();
  may = new Set<number>();
  last = 0;

  constructor(readonly member: TestMember) {}

  published(sequence: number, topic: string): void {
    if (matches(this.filter, topic)) this.must.add(sequence);
  }

  /** @param position how far it has come: the filter that it reads on with is the new one */
  change(filter: string, position: number, log: readonly string[]): void {
    this.filter = filter;
    for (const [at, topic] of log.entries()) {
      if (!matches(filter, topic)) this.must.delete(at + 1);
      else if (at >= position) this.must.add(at + 1);
      else if (!this.must.has(at + 1)) this.may.add(at + 1);
    }
  }

  seek(position: number, log: readonly string[]): void {
    this.round++;
    this.position = position;
    this.last = 0;
    this.may.clear();
    this.must.clear();
    for (const [at, topic] of log.entries()) if (at >= position) this.published(at + 1, topic);
  }

  work(log: readonly string[]): number {
    const leases = this.member.leases();
    for (const { sequence } of leases) {
      expect(matches(this.filter, log[sequence - 1]!), `${sequence} matches`).toBe(true);
      expect(sequence, 'in order').toBeGreaterThan(this.last);
      this.last = sequence;
      const isWanted = this.must.delete(sequence) || this.may.delete(sequence);
      expect(isWanted, `${sequence} is wanted`).toBe(true);
    }
    if (leases.length > 0) this.member.settle(SETTLE_ACK, leases);
    this.member.tokens(leases.length);
    return leases.length;
  }
}

function playAndJudge({ maxAhead, steps }: Game): void {
  const rig = working({ maxAhead }, 0);
  const [changing, steady] = [rig.one, secondMember(rig, { maxAhead })].map(
    (member) => new Judged(member),
  ) as [Judged, Judged];
  rig.one.tokens(3);
  steady.member.tokens(2);
  const log: string[] = [];
  const apply = () => {
    const { filter, round, position } = changing;
    rig.shard.applyConsumers([
      entryOf({ maxAhead, filter }, { round, position }),
      entryOf({ maxAhead }, { id: 'c2', name: 'other', gate: 1 }),
    ]);
  };
  const work = () => {
    rig.turn();
    return changing.work(log) + steady.work(log);
  };
  for (const one of steps) {
    if (one.do === 'work') for (let turn = 0; turn < one.turns; turn++) work();
    else if (one.do === 'publish') publishSome(rig, one, [changing, steady], log);
    else {
      // What was leased to it was before the change.
      work();
      const { position } = rig.shard.desk!.consumer('c1');
      if (one.do === 'filter') changing.change(one.filter, position, log);
      else changing.seek(Math.max(0, log.length - one.back), log);
      apply();
    }
  }
  for (let quiet = 0; quiet < 5; quiet++) if (work() > 0) quiet = 0;
  expect([[...changing.must], [...steady.must]]).toEqual([[], []]);
  rig.log.close();
}

let published = 0;

function publishSome(
  rig: Rig,
  { topics, isRefused }: { topics: readonly string[]; isRefused: boolean },
  to: readonly Judged[],
  log: string[],
): void {
  for (const topic of topics) publish(rig.link, ++published, topic);
  const commit = vi.spyOn(rig.log, 'commit');
  if (isRefused) {
    commit.mockImplementationOnce(() => {
      rig.log.rollback();
      throw new BusError('STORE_FULL', 'the disk is full');
    });
  } else {
    for (const topic of topics) {
      log.push(topic);
      for (const one of to) one.published(log.length, topic);
    }
  }
  rig.turn();
  commit.mockRestore();
}
