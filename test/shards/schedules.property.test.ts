/**
 * Schedules through a shard's batches, with the test's own clock. Schedules are set, paused, resumed and deleted; publishes
 * wait beside them; the clock advances by any steps; the shard's thread dies before a commit and after it; commits find no
 * room. Every due time of each schedule becomes one event, all events come in the order of their due times within a batch,
 * and nothing comes early.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scheduledId } from '../../src/protocol/schedule-text.js';
import { EventRecordView } from '../../src/record/event-record.js';
import { DueEvents } from '../../src/shards/later/due-events.js';
import { ScheduleCommands } from '../../src/shards/later/schedule-commands.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { RecordingClock } from '../../src/shards/recording-clock.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../bus/support/open.js';

type Fate = 'done' | 'dies uncommitted' | 'dies committed' | 'full';

type Step =
  | { readonly is: 'set'; readonly name: string; readonly everyMs: number }
  | { readonly is: 'pause' | 'resume' | 'delete'; readonly name: string }
  | { readonly is: 'advance'; readonly ms: number }
  | { readonly is: 'batch'; readonly limit: number; readonly fate: Fate };

const START = 1_800_000_000_000;
const FULL = { code: 'STORE_FULL', message: 'full' } as const;

interface Modelled {
  everyMs: number;
  isPaused: boolean;
  handledUntil: number;
}

class Rig {
  readonly expected: string[] = [];
  wall = START;
  #elapsed = 0;
  readonly #file = join(temporaryDirectory(), 'shard-000.db');
  readonly #model = new Map<string, Modelled>();
  log!: SqliteShardLog;
  #batch!: PublishBatch;
  #due!: DueEvents;
  #commands!: ScheduleCommands;

  constructor() {
    this.#open();
  }

  advance(ms: number): void {
    this.wall += ms;
    this.#elapsed += ms;
  }

  set(name: string, everyMs: number): void {
    const event = { topic: 'a', type: 't', source: 's', payload: name };
    const definition = JSON.stringify({ everyMs, anchor: 0, missed: 'all', event });
    this.#commands.handlers.putSchedule({ name, definition, arriving: null }, undefined);
    const found = this.#model.get(name);
    if (found?.everyMs === everyMs) return;
    const handledUntil = Math.max(this.wall, found?.handledUntil ?? 0);
    this.#model.set(name, { everyMs, isPaused: found?.isPaused ?? false, handledUntil });
  }

  alter(name: string, kind: 'pause' | 'resume' | 'delete'): void {
    this.#commands.handlers.alterShardSchedule({ name, kind }, undefined);
    const found = this.#model.get(name);
    if (kind === 'delete') this.#model.delete(name);
    else if (found !== undefined && found.isPaused !== (kind === 'pause')) {
      found.isPaused = kind === 'pause';
      if (kind === 'resume') found.handledUntil = Math.max(this.wall, found.handledUntil);
    }
  }

  run(limit: number, fate: Fate): void {
    if (!this.#due.take(this.#batch, limit)) {
      expect(this.#dueTimes().length).toBe(0);
      return;
    }
    if (fate === 'dies uncommitted') {
      this.log.rollback();
      this.#reopen();
      return;
    }
    if (fate === 'full') {
      this.log.rollback();
      this.#batch.refuse(FULL);
      this.#due.refused();
      // What the disk has held up comes later.
      expect(this.#due.hasWork).toBe(false);
      this.advance(250);
    } else {
      this.#batch.settle(this.log.commit(this.#batch.synced, this.#batch.positions));
      this.#due.committed();
      this.#expect(this.#batch.appended);
    }
    if (fate === 'dies committed') {
      this.#reopen();
      return;
    }
    this.#batch.release();
    expect(this.#due.take(this.#batch, limit), 'this turn is the publishers').toBe(false);
  }

  /** Runs all that is due. */
  finish(): void {
    while (this.#dueTimes().length > 0) this.run(16, 'done');
  }

  stored(): string[] {
    const ids: string[] = [];
    const view = new EventRecordView();
    this.log.read({ after: 0, limit: 100_000 }, ({ bytes, offset }) => {
      ids.push(view.wrap(bytes, offset).id);
      return undefined;
    });
    return ids;
  }

  close(): void {
    this.log.close();
  }

  #dueTimes(): { name: string; dueAt: number }[] {
    const due: { name: string; dueAt: number }[] = [];
    for (const [name, { everyMs, isPaused, handledUntil }] of this.#model) {
      if (isPaused) continue;
      const first = (Math.floor(handledUntil / everyMs) + 1) * everyMs;
      for (let dueAt = first; dueAt <= this.wall; dueAt += everyMs) due.push({ name, dueAt });
    }
    // Of one time those come first whose names come first: the log lists schedules by name, later ones follow.
    return due.sort((a, b) => a.dueAt - b.dueAt);
  }

  /** So many events have become of what was due first. */
  #expect(count: number): void {
    const due = this.#dueTimes();
    expect(count).toBeLessThanOrEqual(due.length);
    const events = this.stored().slice(-count);
    const times = due.slice(0, count).map(({ dueAt }) => dueAt);
    expect(events.map((id) => id.slice(id.indexOf('-') + 1))).toEqual(
      times.map((dueAt) => scheduledId('', dueAt).slice(1)),
    );
    for (const [index, id] of events.entries()) {
      const name = id.slice(0, id.indexOf('-'));
      const model = this.#model.get(name)!;
      expect(times[index]! > model.handledUntil, `${id} once`).toBe(true);
      model.handledUntil = times[index]!;
      this.expected.push(id);
    }
  }

  #reopen(): void {
    this.log.close();
    this.#open();
  }

  #open(): void {
    this.log = new SqliteShardLog({ file: this.#file, shard: 0 });
    const elapsed = (): number => this.#elapsed;
    const sources = { wall: () => this.wall, elapsed, uptime: elapsed };
    const clock = new RecordingClock(this.log.lastRecordedAt, () => {}, sources);
    this.#batch = new PublishBatch(this.log, clock);
    const onDamage = (error: Error): never => {
      throw error;
    };
    this.#due = new DueEvents(this.log.scheduled, { shard: 0, clock, elapsed, onDamage });
    this.#commands = new ScheduleCommands(this.log, this.#due);
  }
}

const name = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('set' as const),
      name,
      everyMs: fc.constantFrom(1000, 1500, 4000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constantFrom('pause' as const, 'resume' as const, 'delete' as const),
      name,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ is: fc.constant('advance' as const), ms: fc.nat(30_000) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant('batch' as const),
      limit: fc.integer({ min: 1, max: 12 }),
      fate: fc.constantFrom<Fate>('done', 'done', 'dies uncommitted', 'dies committed', 'full'),
    }),
  },
);

test('each due time becomes one event, in order, whenever the thread dies', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const rig = new Rig();
      try {
        for (const one of steps) {
          if (one.is === 'set') rig.set(one.name, one.everyMs);
          else if (one.is === 'advance') rig.advance(one.ms);
          else if (one.is === 'batch') rig.run(one.limit, one.fate);
          else rig.alter(one.name, one.is);
        }
        rig.finish();
        expect(rig.stored()).toEqual(rig.expected);
        expect(new Set(rig.expected).size).toBe(rig.expected.length);
      } finally {
        rig.close();
      }
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 60) },
  );
});
