/**
 * Publishes that wait, through a shard's batches, against a plain model. The clock is the test's own.
 *
 * Publishes come with a delay or without, alone or as groups, with ids that repeat; some are cancelled; the clock
 * advances and is set back; the shard's thread dies before a commit, after it, and after the acks; commits find no room;
 * and the log is opened again. Whatever happens, each accepted publish becomes one event, none before its time, those
 * that are due in the order of their times, and each ack says what the model says.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ACK_DUPLICATE,
  ACK_REFUSED,
  ACK_WAITING,
  ACK_WAITING_DUPLICATE,
  isWaitingAck,
} from '../../src/link/link-records.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SYNCED,
  EventRecordView,
} from '../../src/record/event-record.js';
import { DueEvents } from '../../src/shards/later/due-events.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { RecordingClock } from '../../src/shards/recording-clock.js';
import { LinkRecovery } from '../../src/shards/recovery.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import { FIRST_WAITING } from '../../src/store/scheduled.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { TestLink, type ToldAck } from './support.js';

type Fate = 'done' | 'dies uncommitted' | 'dies committed' | 'dies acked' | 'full' | 'dies full';

type Step =
  | {
      readonly is: 'publish';
      readonly ids: readonly number[];
      readonly delayMs: number | undefined;
    }
  | { readonly is: 'batch'; readonly limit: number; readonly fate: Fate }
  | { readonly is: 'due'; readonly limit: number; readonly fate: Fate }
  | { readonly is: 'advance'; readonly ms: number }
  | { readonly is: 'cancel'; readonly id: number };

interface Op {
  readonly ids: readonly string[];
  readonly deliverAt: number | undefined;
}

type Outcome = readonly [
  'stored' | 'repeats' | 'waits' | 'repeats waiting' | 'conflict' | 'full',
  number,
];

const STORED = EVENT_FLAG_PERSIST | EVENT_FLAG_SYNCED | EVENT_FLAG_SUPPLIED_ID;
const FULL = { code: 'STORE_FULL', message: 'full' } as const;
/** A conflict with publishes that wait. */
const FAR = Number.MAX_SAFE_INTEGER;
const START = 1_800_000_000_000;

class Model {
  events: string[] = [];
  waiting = new Map<string, number>();

  copy(): Model {
    const copy = new Model();
    copy.events = [...this.events];
    copy.waiting = new Map(this.waiting);
    return copy;
  }

  take({ ids, deliverAt }: Op, now: number, head: number): Outcome[] {
    const all = (outcome: Outcome): Outcome[] => ids.map(() => outcome);
    const stored = ids.map((id) => this.events.indexOf(id) + 1);
    const first = stored[0]!;
    if (stored.some((sequence) => sequence > 0)) {
      const isRun = stored.every((sequence, index) => sequence === first + index);
      const isOld = stored.every((sequence) => sequence > head === first > head);
      if (first > 0 && isRun && isOld) return stored.map((one) => ['repeats', one]);
      return all(['conflict', this.#conflictOf(stored, head)]);
    }
    const waits = ids.map((id) => this.waiting.get(id));
    if (waits.some((at) => at !== undefined)) {
      if (waits.some((at) => at === undefined)) return all(['conflict', FAR]);
      return all(['repeats waiting', waits[0]!]);
    }
    if (deliverAt !== undefined && deliverAt > now) {
      for (const id of ids) this.waiting.set(id, deliverAt);
      return all(['waits', deliverAt]);
    }
    return ids.map((id) => ['stored', this.events.push(id)]);
  }

  /** The stored event on which the refusal of a group rests. */
  #conflictOf(stored: readonly number[], head: number): number {
    const first = stored[0]!;
    if (first === 0) return stored.find((one) => one > 0)!;
    for (const [index, one] of stored.entries()) {
      if (one === 0) return stored[index - 1]!;
      if (one !== first + index || one > head !== first > head) return one;
    }
    return 0;
  }

  /** Makes events of what is due, in the order of times and, within one, of acceptance. */
  due(now: number, limit: number): void {
    const due = [...this.waiting].filter(([, at]) => at <= now).sort(([, a], [, b]) => a - b);
    for (const [id] of due.slice(0, limit)) {
      this.waiting.delete(id);
      this.events.push(id);
    }
  }
}

class Rig {
  readonly outcomes: Outcome[] = [];
  readonly expected: Outcome[] = [];
  wall = START;
  #elapsed = 0;
  model = new Model();
  readonly #link = new TestLink();
  readonly #file = join(temporaryDirectory(), 'shard-000.db');
  log = this.#open();
  #end: ShardEnd = this.#link.shardEnd();
  #clock!: RecordingClock;
  #batch!: PublishBatch;
  #due!: DueEvents;
  #handed: Op[] = [];
  #acked = 0;

  constructor() {
    this.#begin();
  }

  get now(): number {
    return this.wall;
  }

  advance(ms: number): void {
    this.wall += ms;
    this.#elapsed += ms;
  }

  publish(ids: readonly string[], delayMs: number | undefined): void {
    const deliverAt = delayMs === undefined ? undefined : this.wall + delayMs;
    const events = ids.map((id) => ({ topic: 'a', id, flags: STORED, deliverAt }));
    const [{ deliverAt: _, ...plain }] = events as [(typeof events)[number]];
    if (ids.length > 1) this.#link.publishGroup(events);
    else if (deliverAt !== undefined) this.#link.publishOnTerms(plain, { deliverAt });
    else this.#link.publish(plain);
    this.#handed.push({ ids, deliverAt });
  }

  cancel(id: string): void {
    const [found] = this.log.scheduled.withId(id, undefined, FIRST_WAITING, 1);
    expect(found?.dueAt).toBe(this.model.waiting.get(id));
    if (found === undefined) return;
    this.log.scheduled.remove(found.number);
    this.log.commit(true, []);
    this.model.waiting.delete(id);
  }

  run(limit: number, fate: Fate): void {
    this.#batch.drain([this.#end], 0, limit);
    let left = this.#batch.handled;
    const ahead = this.model.copy();
    const outcomes: Outcome[] = [];
    let taken = 0;
    for (; left > 0; taken++) {
      const op = this.#handed[taken]!;
      outcomes.push(...ahead.take(op, this.wall, this.log.head));
      left -= op.ids.length;
    }
    if (fate === 'dies uncommitted') {
      this.log.rollback();
      this.#die();
      return;
    }
    // Without anything to store the thread's successor takes the records once more, and answers the same.
    const isStored = this.#batch.positions.length > 0;
    const isToFail = (fate === 'full' || fate === 'dies full') && this.#isWritten;
    if (isToFail) {
      this.log.rollback();
      this.#batch.refuse(FULL);
      const { length } = this.model.events;
      const isRefused = ([is, at]: Outcome): boolean =>
        is === 'stored' || is.includes('wait') || at > length;
      this.expected.push(...outcomes.map((one): Outcome => (isRefused(one) ? ['full', 0] : one)));
    } else {
      if (isStored) this.#batch.settle(this.log.commit(this.#batch.synced, this.#batch.positions));
      this.model = ahead;
      this.expected.push(...outcomes);
    }
    this.#handed.splice(0, taken);
    if (fate === 'dies committed' && isStored) {
      this.#die();
      return;
    }
    this.#batch.acknowledge();
    this.#readAcks();
    if ((fate === 'dies acked' || fate === 'dies full') && isStored) this.#die();
    else this.#batch.release();
  }

  makeDue(limit: number, fate: Fate): void {
    if (!this.#due.take(this.#batch, limit)) {
      expect([...this.model.waiting.values()].some((at) => at <= this.wall)).toBe(false);
      return;
    }
    if (fate === 'dies uncommitted') {
      this.log.rollback();
      this.#die();
      return;
    }
    if (fate === 'full' || fate === 'dies full') {
      this.log.rollback();
      this.#batch.refuse(FULL);
      expect(this.#batch.length).toBe(0);
    } else {
      this.model.due(this.wall, limit);
      expect(this.#batch.isToStore).toBe(true);
      this.#batch.settle(this.log.commit(this.#batch.synced, this.#batch.positions));
    }
    if (fate !== 'done' && fate !== 'full') {
      this.#die();
      return;
    }
    this.#batch.release();
    expect(this.#due.take(this.#batch, limit), 'this turn is the publishers').toBe(false);
  }

  stored(): string[] {
    const ids: string[] = [];
    const view = new EventRecordView();
    this.log.read({ after: 0, limit: 10_000 }, ({ bytes, offset }) => {
      ids.push(view.wrap(bytes, offset).id);
      return undefined;
    });
    return ids;
  }

  close(): void {
    this.log.close();
  }

  /** True if the batch would write rows. */
  get #isWritten(): boolean {
    return this.#batch.appended > 0 || this.#batch.positions.length > 0;
  }

  #begin(): void {
    const sources = {
      wall: () => this.wall,
      elapsed: () => this.#elapsed,
      uptime: () => this.#elapsed,
    };
    this.#clock = new RecordingClock(this.log.lastRecordedAt, () => {}, sources);
    this.#batch = new PublishBatch(this.log, this.#clock);
    this.#due = new DueEvents(this.log.scheduled, {
      shard: 0,
      clock: this.#clock,
      elapsed: () => this.#elapsed,
      onDamage: (error) => {
        throw error;
      },
    });
  }

  #die(): void {
    this.log.close();
    this.log = this.#open();
    this.#end = this.#link.shardEnd();
    const [stored] = this.log.ringPositions.stored();
    expect(new LinkRecovery(this.#end, this.log, stored).step()).toBe(true);
    this.#begin();
    this.#readAcks();
  }

  #readAcks(): void {
    for (const ack of this.#link.acks()) {
      if (((ack.position! - this.#acked) | 0) <= 0) continue;
      this.#acked = ack.position!;
      for (let i = 0; i < ack.count; i++) this.outcomes.push(outcomeOf(ack, i));
    }
  }

  #open(): SqliteShardLog {
    return new SqliteShardLog({ file: this.#file, shard: 0 });
  }
}

function outcomeOf({ kind, sequence, code, details }: ToldAck, index: number): Outcome {
  if (kind === ACK_REFUSED) {
    if (code === 'STORE_FULL') return ['full', 0];
    return ['conflict', (details?.sequence as number | undefined) ?? FAR];
  }
  if (kind === ACK_WAITING) return ['waits', sequence];
  if (kind === ACK_WAITING_DUPLICATE) return ['repeats waiting', sequence];
  expect(isWaitingAck(kind)).toBe(false);
  return [kind === ACK_DUPLICATE ? 'repeats' : 'stored', sequence + index];
}

const fate = fc.constantFrom<Fate>(
  'done',
  'done',
  'done',
  'dies uncommitted',
  'dies committed',
  'dies acked',
  'full',
  'dies full',
);
const limit = fc.integer({ min: 4, max: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant('publish' as const),
      ids: fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 3 }),
      delayMs: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('batch' as const), limit, fate }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('due' as const), limit, fate }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('advance' as const),
      ms: fc.integer({ min: 0, max: 300 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('cancel' as const), id: fc.nat(30) }) },
);

test('each publish that waits becomes one event, in its time, whenever the thread dies', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const rig = new Rig();
      try {
        for (const one of steps) {
          if (one.is === 'publish')
            rig.publish(
              one.ids.map((id) => `id-${id}`),
              one.delayMs,
            );
          else if (one.is === 'batch') rig.run(one.limit, one.fate);
          else if (one.is === 'due') rig.makeDue(one.limit, one.fate);
          else if (one.is === 'cancel') rig.cancel(`id-${one.id}`);
          else rig.advance(one.ms);
        }
        for (let i = 0; i < 70; i++) rig.run(12, 'done');
        rig.advance(1000);
        for (let i = 0; i < 70; i++) rig.makeDue(12, 'done');
        expect(rig.outcomes).toEqual(rig.expected);
        expect(rig.stored()).toEqual(rig.model.events);
        expect([rig.model.waiting.size, rig.log.scheduled.waiting]).toEqual([0, 0]);
      } finally {
        rig.close();
      }
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 60) },
  );
});
