/**
 * A shard's schedules through its calls, against a plain model: they are set, come from other shards and go to them, are
 * paused, resumed and deleted, while the clock moves both ways and the shard's thread is followed by another. Their events
 * are the matter of `schedules.property.test.ts`.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  AlterShardScheduleRequest,
  PutScheduleRequest,
  ScheduleEntry,
} from '../../../src/link/schedule-calls.js';
import {
  SCHEDULES_PER_REPLY,
  SCHEDULES_PER_SHARD_MAX,
} from '../../../src/protocol/limits/schedules.js';
import { DueEvents } from '../../../src/shards/later/due-events.js';
import { ScheduleCommands } from '../../../src/shards/later/schedule-commands.js';
import type { ShardScheduled, StoredSchedule } from '../../../src/store/scheduled.js';
import type { ShardLog } from '../../../src/store/shard-log.js';

const START = 1_800_000_000_000;
const SHARD = 3;

const definitionOf = (everyMs: number): string => {
  const event = { topic: 'a', type: 't', source: 's', payload: 1 };
  return JSON.stringify({ everyMs, anchor: 0, missed: 'all', event });
};

/** A log that keeps schedules, its commits, and the damage in it. */
function logOf(
  stored: readonly StoredSchedule[] = [],
  damage: readonly (string | undefined)[] = [],
) {
  const kept = new Map(stored.map((one) => [one.name, one]));
  const commits: unknown[][] = [];
  const scheduled: Partial<ShardScheduled> = {
    firstDue: Number.POSITIVE_INFINITY,
    schedules: (onDamage) => {
      for (const name of damage) onDamage('it is broken', name);
      return [...kept.values()];
    },
    putSchedule: (one) => void kept.set(one.name, one),
    removeSchedule: (name) => void kept.delete(name),
  };
  const commit = (...args: unknown[]) => void commits.push(args);
  const log = { scheduled, commit } as unknown as ShardLog;
  return { kept, commits, log, scheduled: scheduled as ShardScheduled };
}

/** The calls of a thread of the shard, and the damage that it tells of. */
function threadOf(made: ReturnType<typeof logOf>, clock = { dueNow: START }) {
  const told: unknown[] = [];
  const due = new DueEvents(made.scheduled, {
    shard: SHARD,
    clock,
    elapsed: () => 0,
    onDamage: ({ code, message, details }) => told.push({ code, message, details }),
  });
  const { handlers } = new ScheduleCommands(made.log, due);
  return {
    told,
    due,
    list: (after = '') => handlers.shardSchedules({ after }, undefined),
    find: (name: string) => handlers.findSchedule({ name }, undefined),
    put: (request: PutScheduleRequest) => handlers.putSchedule(request, undefined),
    alter: (request: AlterShardScheduleRequest) => handlers.alterShardSchedule(request, undefined),
  };
}

type Standing = 'active' | 'paused' | 'arriving' | 'arrivingPaused' | 'moved';

/** What each change makes of each standing; nothing where it is not named. */
const CHANGES: Readonly<Record<string, Partial<Record<Standing, Standing>>>> = {
  pause: { active: 'paused' },
  resume: { paused: 'active' },
  leave: { active: 'moved', paused: 'moved' },
  arrive: { arriving: 'active', arrivingPaused: 'paused', moved: 'active' },
};

interface Modelled {
  everyMs: number;
  standing: Standing;
  handledUntil: number;
  fired: number;
  lastAt: number;
}

function entryOf(name: string, model: Modelled | undefined): ScheduleEntry | null {
  if (model === undefined) return null;
  const { everyMs, standing, handledUntil, fired, lastAt } = model;
  const nextAt = standing === 'active' ? (Math.floor(handledUntil / everyMs) + 1) * everyMs : null;
  return {
    ...{
      name,
      shard: SHARD,
      definition: definitionOf(everyMs),
      handledUntil,
      fired,
      lastAt,
      nextAt,
    },
    isPaused: standing === 'paused' || standing === 'arrivingPaused',
    isArriving: standing === 'arriving' || standing === 'arrivingPaused',
    isMoved: standing === 'moved',
  };
}

const name = fc.constantFrom('a', 'b');
const time = fc.integer({ min: START - 9000, max: START + 20_000 });
const done = fc.record({ fired: fc.nat(9), lastAt: time, handledUntil: time });
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ is: fc.constant('next thread' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('clock' as const),
      by: fc.integer({ min: -3000, max: 9000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant('put' as const),
      name,
      everyMs: fc.constantFrom(1000, 1500, 4000),
      arriving: fc.option(fc.record({ fired: fc.nat(9), lastAt: time, isPaused: fc.boolean() }), {
        freq: 2,
      }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constantFrom('pause', 'resume', 'leave', 'arrive' as const),
      name,
      done: fc.option(done, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('delete' as const), name }) },
);

describe('the schedules of a shard', () => {
  it('property: stand as they were told, whichever thread is asked', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const made = logOf();
        const clock = { dueNow: START };
        let thread = threadOf(made, clock);
        const models = new Map<string, Modelled>();
        for (const one of steps) {
          const commits = made.commits.length;
          let isChanged = false;
          if (one.is === 'next thread') thread = threadOf(made, clock);
          else if (one.is === 'clock') clock.dueNow += one.by;
          else if (one.is === 'put') {
            const { everyMs, arriving } = one;
            const found = models.get(one.name);
            const now = clock.dueNow;
            isChanged = arriving !== null || found?.everyMs !== everyMs;
            if (arriving !== null) {
              const { isPaused, ...rest } = arriving;
              const standing = isPaused ? 'arrivingPaused' : 'arriving';
              models.set(one.name, { everyMs, standing, handledUntil: now, ...rest });
            } else if (isChanged) {
              const handledUntil = Math.max(now, found?.handledUntil ?? 0);
              const fresh = { standing: 'active' as const, fired: 0, lastAt: 0 };
              models.set(one.name, { ...fresh, ...found, everyMs, handledUntil });
            }
            const put = { name: one.name, definition: definitionOf(everyMs), arriving };
            expect(thread.put(put)).toEqual(entryOf(one.name, models.get(one.name)));
          } else if (one.is === 'delete') {
            isChanged = models.delete(one.name);
            expect(thread.alter({ name: one.name, kind: 'delete' })).toEqual({ schedule: null });
          } else {
            const found = models.get(one.name);
            const standing = found && CHANGES[one.is]![found.standing];
            if (found !== undefined && standing !== undefined) {
              isChanged = true;
              const brought = one.is === 'arrive' ? one.done : undefined;
              const since = one.is === 'resume' ? clock.dueNow : (brought?.handledUntil ?? 0);
              const handledUntil = Math.max(since, found.handledUntil);
              models.set(one.name, { ...found, ...brought, standing, handledUntil });
            }
            const request = { name: one.name, kind: one.is, done: one.done };
            const schedule = entryOf(one.name, models.get(one.name));
            expect(thread.alter(request)).toEqual({ schedule });
          }
          // A change is flushed before it is answered, and what changes nothing is not stored.
          expect(made.commits.slice(commits)).toEqual(isChanged ? [[true, []]] : []);
          const entries = ['a', 'b'].map((key) => entryOf(key, models.get(key)));
          expect(['a', 'b'].map((key) => thread.find(key))).toEqual(
            entries.map((schedule) => ({ schedule, damage: null })),
          );
          const schedules = entries.filter((entry) => entry !== null);
          expect(thread.list()).toEqual({ schedules, next: null });
          const dueTimes = schedules.map(({ nextAt }) => nextAt ?? Number.POSITIVE_INFINITY);
          const first = Math.min(...dueTimes);
          expect(thread.due.schedules.firstDue).toBe(first);
          expect(thread.due.schedules.count).toBe(schedules.length);
          expect(thread.due.hasWork).toBe(first <= clock.dueNow);
        }
        expect(thread.told).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it.each([0, 1, SCHEDULES_PER_REPLY, SCHEDULES_PER_REPLY + 1, 40])(
    'are listed by name, each once, where there are %d',
    (count) => {
      const names = Array.from({ length: count }, (_, n) => `n${100 + n}`);
      const stored = [...names].reverse().map((one) => ({
        ...{ name: one, handledUntil: START, fired: 0, lastAt: 0 },
        definition: definitionOf(1000),
      }));
      const thread = threadOf(logOf(stored));
      const listed: string[] = [];
      for (let after: string | null = ''; after !== null; ) {
        const page = thread.list(after);
        expect(page.schedules.length).toBeLessThanOrEqual(SCHEDULES_PER_REPLY);
        listed.push(...page.schedules.map((entry) => entry.name));
        after = page.next;
      }
      expect(listed).toEqual(names);
    },
  );

  it('are no more than a shard may have, which leaves those that are there free to change', () => {
    const stored = Array.from({ length: SCHEDULES_PER_SHARD_MAX - 1 }, (_, n) => ({
      ...{ name: `n${n}`, handledUntil: START, fired: 0, lastAt: 0 },
      definition: definitionOf(1000),
    }));
    const thread = threadOf(logOf(stored));
    const put = (one: string) =>
      thread.put({ name: one, definition: definitionOf(4000), arriving: null });
    expect(put('last')).toMatchObject({ name: 'last' });
    const details = { limit: SCHEDULES_PER_SHARD_MAX };
    const error = expect.objectContaining({ code: 'LIMIT_EXCEEDED', details }) as Error;
    expect(() => put('one more')).toThrow(error);
    expect(put('n7')).toMatchObject({ definition: definitionOf(4000) });
  });
});

describe('a damaged schedule', () => {
  const zone = {
    ...{ name: 'zone', handledUntil: START, fired: 0, lastAt: 0 },
    definition: JSON.stringify({
      cron: '0 0 1 1 *',
      timeZone: 'No/Where',
      missed: 'all',
      event: {},
    }),
  };
  const sound = { ...zone, name: 'sound', definition: definitionOf(1000) };

  it('is told of, is not followed, and may be deleted or set anew', () => {
    const made = logOf([zone, sound], ['one', 'two', undefined]);
    const thread = threadOf(made);
    const broken = { code: 'STORE_CORRUPT', details: { shard: SHARD, reason: 'it is broken' } };
    expect(thread.told).toMatchObject([broken, broken, broken, { code: 'STORE_CORRUPT' }]);
    expect(thread.told[3]).toMatchObject({ message: expect.stringContaining('zone') as string });
    expect(thread.list().schedules.map((entry) => entry.name)).toEqual(['sound']);
    expect(thread.find('one')).toEqual({ schedule: null, damage: 'it is broken' });
    expect(thread.find('zone').damage).toContain('zone');
    expect(thread.alter({ name: 'one', kind: 'pause' })).toEqual({ schedule: null });
    expect(made.commits).toEqual([]);
    const put = { name: 'one', definition: definitionOf(1000), arriving: null };
    expect(thread.put(put)).toMatchObject({ name: 'one', fired: 0 });
    expect(thread.find('one')).toMatchObject({ damage: null, schedule: { name: 'one' } });
    expect(made.commits).toHaveLength(1);
    expect(thread.alter({ name: 'zone', kind: 'delete' })).toEqual({ schedule: null });
    expect(thread.find('zone')).toEqual({ schedule: null, damage: null });
    expect(made.commits).toHaveLength(2);
    expect([...made.kept.keys()]).toEqual(['sound', 'one']);
    expect(thread.alter({ name: 'zone', kind: 'delete' })).toEqual({ schedule: null });
    expect(made.commits).toHaveLength(2);
  });
});

it('a call about schedules is refused where the log keeps none', () => {
  const { handlers } = new ScheduleCommands({} as ShardLog, undefined);
  expect(() => handlers.findSchedule({ name: 'a' }, undefined)).toThrow(
    expect.objectContaining({ code: 'OPTION_INVALID' }) as Error,
  );
});
