/** Lists and cancellations of publishes that wait in a shard, against the plain list of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  WaitingDamage,
  WaitingEntry,
  WaitingRequest,
} from '../../../src/link/scheduled-calls.js';
import { SCHEDULED_PER_REPLY } from '../../../src/protocol/limits/schedules.js';
import { WaitingCommands } from '../../../src/shards/later/waiting-commands.js';
import {
  type DuePublish,
  FIRST_WAITING,
  type ShardScheduled,
  type WaitingPlace,
} from '../../../src/store/scheduled.js';
import type { ShardLog } from '../../../src/store/shard-log.js';
import { record } from '../../store/records.js';

interface Row {
  readonly topic: string;
  readonly id: string;
  readonly source: string;
  readonly correlationId?: string;
  readonly fault?: string;
}

/** A log in which these publishes wait, and whose pages are small; and what is asked of it. */
function waitingIn(rows: readonly Row[], pageLength = 3) {
  const all = rows.map((row, index): Row & DuePublish => {
    const { fault, ...event } = row;
    const place = { number: index + 1, dueAt: 1000 + Math.floor(index / 2), acceptedAt: index };
    const bytes = fault === undefined ? record(event) : Buffer.alloc(0);
    return { ...row, ...place, record: bytes };
  });
  const left = new Set<Row & DuePublish>(all);
  const commits: unknown[] = [];
  const isBehind = (one: WaitingPlace, after: WaitingPlace): boolean =>
    one.dueAt > after.dueAt || (one.dueAt === after.dueAt && one.number > after.number);
  const pageOf = (isWanted: (row: Row) => boolean, after: WaitingPlace, limit: number) => {
    expect(limit).toBe(SCHEDULED_PER_REPLY);
    const found = [...left].filter((one) => isBehind(one, after) && isWanted(one));
    return found.slice(0, pageLength);
  };
  const scheduled: Partial<ShardScheduled> = {
    page: (after, limit) => pageOf(() => true, after, limit),
    withId: (id, topic, after, limit) =>
      pageOf((row) => row.id === id && (topic ?? row.topic) === row.topic, after, limit),
    remove: (number) => {
      for (const one of left) if (one.number === number) left.delete(one);
    },
  };
  const commit = (...args: unknown[]) => void commits.push(args);
  const log = { scheduled, commit } as unknown as ShardLog;
  const { handlers } = new WaitingCommands(log);
  return { all, left, commits, handlers };
}

const row: fc.Arbitrary<Row> = fc.record(
  {
    topic: fc.constantFrom('a.x', 'a.y', 'b'),
    id: fc.constantFrom('1', '2', '3'),
    source: fc.constantFrom('s', 't'),
    correlationId: fc.constant('c'),
    fault: fc.constant('damaged'),
  },
  { requiredKeys: ['topic', 'id', 'source'] },
);
const rows = fc.array(row, { maxLength: 14 });
const pageLength = fc.integer({ min: 1, max: 5 });

describe('a list of publishes that wait', () => {
  it('property: has each that is asked for once, in order, and tells of the damaged ones', () => {
    const request = fc.record({
      patterns: fc.constantFrom(['*'], ['a.+'], ['b', 'a.y'], ['none']),
      id: fc.constantFrom(null, '1', '2'),
      limit: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(rows, pageLength, request, (stored, length, asked) => {
        const { all, handlers } = waitingIn(stored, length);
        const listed: WaitingEntry[] = [];
        const damage: WaitingDamage[] = [];
        let pages = 0;
        for (let after: WaitingPlace | null = FIRST_WAITING; after !== null; pages++) {
          const question: WaitingRequest = { ...asked, after };
          const page = handlers.waiting(question, undefined);
          expect(page.publishes.length).toBeLessThanOrEqual(asked.limit);
          listed.push(...page.publishes);
          damage.push(...page.damage);
          after = page.next;
        }
        // The last page is empty, and no other is where nothing is left out.
        if (asked.id === null && asked.patterns[0] === '*') {
          expect(pages).toBeLessThanOrEqual(all.length + 1);
        }
        const ofId = all.filter(({ id }) => asked.id === null || id === asked.id);
        const isWanted = ({ topic }: Row): boolean =>
          asked.patterns.some((one) => one === '*' || one === topic) ||
          (asked.patterns[0] === 'a.+' && topic.startsWith('a.'));
        const sound = ofId.filter((one) => one.fault === undefined && isWanted(one));
        expect(listed).toEqual(
          sound.map(({ record: { length: bytes }, fault: _, correlationId, ...entry }) => ({
            ...entry,
            bytes,
            type: 'test_type',
            ...(correlationId === undefined ? {} : { correlationId }),
          })),
        );
        expect(listed.some((one) => 'correlationId' in one)).toBe(
          sound.some((one) => one.correlationId !== undefined),
        );
        const broken = ofId.filter(({ fault }) => fault !== undefined);
        expect(damage).toEqual(
          broken.map(({ dueAt, number, fault }) => ({ dueAt, number, reason: fault })),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('has no more in a page than a reply may have', () => {
    const many = Array.from({ length: SCHEDULED_PER_REPLY + 5 }, (_, n) => n);
    const { handlers } = waitingIn(
      many.map((n) => ({ topic: 'a', id: `${n}`, source: 's' })),
      many.length,
    );
    const request = { patterns: ['*'], id: null, after: FIRST_WAITING, limit: 1000 };
    const { publishes, next } = handlers.waiting(request, undefined);
    expect(publishes).toHaveLength(SCHEDULED_PER_REPLY);
    expect(next).toEqual({ dueAt: publishes.at(-1)!.dueAt, number: SCHEDULED_PER_REPLY });
  });
});

describe('a cancellation of a publish that waits', () => {
  it('property: takes back the one that it means, or says why not', () => {
    const request = fc.record({
      topic: fc.constantFrom('a.x', 'b'),
      id: fc.constantFrom('1', '2'),
      source: fc.constantFrom(null, 's', 't'),
    });
    fc.assert(
      fc.property(rows, pageLength, request, (stored, length, asked) => {
        const { all, left, commits, handlers } = waitingIn(stored, length);
        const ofId = all.filter(({ topic, id }) => topic === asked.topic && id === asked.id);
        const meant = ofId.filter(
          ({ fault, source }) =>
            fault === undefined && (asked.source === null || source === asked.source),
        );
        const isDamaged = ofId.some(({ fault }) => fault !== undefined);
        const cancel = () => handlers.cancelWaiting(asked, undefined);
        let gone: DuePublish[] = [];
        if (meant.length > 1) {
          const details = { id: asked.id, topics: [asked.topic] };
          expect(cancel).toThrow(expect.objectContaining({ code: 'CONFLICT', details }) as Error);
        } else if (meant.length === 0 && isDamaged) {
          const details = { reason: 'damaged' };
          const error = { code: 'STORE_CORRUPT', details };
          expect(cancel).toThrow(expect.objectContaining(error) as Error);
        } else {
          expect(cancel()).toEqual({ isFound: meant.length === 1 });
          gone = meant;
        }
        expect([...left]).toEqual(all.filter((one) => !gone.includes(one)));
        // A cancellation is flushed before it is answered.
        expect(commits).toEqual(gone.map(() => [true, []]));
      }),
      { numRuns: 300 },
    );
  });

  it('is refused, as lists are, where the log keeps no publishes that wait', () => {
    const { handlers } = new WaitingCommands({} as ShardLog);
    const refused = expect.objectContaining({ code: 'OPTION_INVALID' }) as Error;
    const request = { patterns: ['*'], id: null, after: FIRST_WAITING, limit: 10 };
    expect(() => handlers.waiting(request, undefined)).toThrow(refused);
    const one = { topic: 'a', id: '1', source: null };
    expect(() => handlers.cancelWaiting(one, undefined)).toThrow(refused);
  });
});
