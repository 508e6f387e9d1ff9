import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import {
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type StoredDeadEvent,
  type StoredLane,
} from '../../../src/store/consumer-states.js';
import { createManifest } from '../../../src/store/directory/directory.js';
import { writeManifest } from '../../../src/store/directory/manifest.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { DeadTable } from '../../../src/store/sqlite/consumers/dead-table.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { TABLES } from '../../../src/store/sqlite/tables/tables.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { onSmallDisk, takeAllRoom } from '../../support/small-disk.js';
import { temporaryDirectory } from '../directories.js';
import { append, readAll } from './sqlite-log-promises.js';

/** SQLite's own promises about consumers, beyond the contract that `millrace/testing` checks. */
function laneOf(lane: Partial<StoredLane> = {}): StoredLane {
  const counts = { acked: 5, redelivered: 2, lost: 0 };
  const open = Uint8Array.of(1, 2, 255);
  const of = { consumer: 'one', lane: 0, round: 1, position: 1, leaseNext: 12, at: 1000 };
  return { ...of, ...counts, open, ...lane };
}

function deadOf(event: Partial<StoredDeadEvent> = {}): StoredDeadEvent {
  const of = { consumer: 'one', sequence: 1, diedAt: 1000, attempts: 5, times: 1 };
  return { ...of, state: LETTER_DUE, cause: 'nak', reason: 'it failed', ...event };
}

const open = (file = shardFile(temporaryDirectory(), 0)) => new SqliteShardLog({ file, shard: 0 });

function findings(file: string): string[] {
  const dir = join(file, '..');
  writeManifest(dir, createManifest(1));
  return [...verifyDirectory(dir)].map((finding) => finding.message);
}

function change(file: string, statement: string): void {
  const database = openDatabase(file);
  database.exec(statement);
  database.close();
}

describe('the state of consumers in SQLite', () => {
  it('is undone with the events of its batch', () => {
    const log = open();
    const { consumers } = log;
    consumers.put(laneOf());
    consumers.putDead(deadOf());
    log.commit(true, []);
    consumers.put(laneOf({ position: 50 }));
    consumers.put(laneOf({ consumer: 'two' }));
    consumers.changeDead('one', 1, LETTER_SENT);
    consumers.putDead(deadOf({ sequence: 2 }));
    append(log);
    log.rollback();
    expect(consumers.load()).toEqual([{ ...laneOf(), open: Buffer.of(1, 2, 255) }]);
    expect(consumers.dead('one', 0, 10)).toEqual([deadOf()]);
    expect(consumers.lettersDue(10)).toEqual([deadOf()]);
    expect([consumers.deadCount('one'), log.head]).toEqual([1, 0]);
    append(log);
    consumers.remove('one');
    log.commit(true, []);
    expect([consumers.load(), consumers.deadCount('one'), log.head]).toEqual([[], 0, 1]);
    log.close();
  });

  it('needs no event, moves no head, and is found again', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = open(file);
    append(log);
    log.commit(true, []);
    log.consumers.put(laneOf());
    log.commit(false, []);
    expect([log.head, log.syncedHead]).toEqual([1, 1]);
    log.close();
    const again = open(file);
    expect(again.consumers.load()).toMatchObject([{ consumer: 'one', position: 1 }]);
    expect(append(again)).toBe(2);
    again.close();
    expect(findings(file)).toEqual([]);
  });

  it('is stored on a full disk, which has no room for an event', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), (disk) => {
      const file = shardFile(disk, 0);
      const log = open(file);
      const { consumers } = log;
      const bytes = new Uint8Array(50_000);
      const put = (position: number) => consumers.put(laneOf({ position, open: bytes }));
      const isStored = (position: number, events: number): boolean => {
        put(position);
        for (let n = 0; n < events; n++) append(log, { payload: 'x'.repeat(10_000) });
        try {
          log.commit(true, []);
          return true;
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORE_FULL' });
          return false;
        }
      };
      expect(isStored(1, 20)).toBe(true);
      while (log.maintain());
      takeAllRoom(join(disk, 'ballast'));
      let stored = 1;
      while (isStored(stored + 1, 20)) stored++;
      expect(consumers.load()[0]?.position).toBe(stored);
      // A try may find a write-ahead log that cannot grow. Housekeeping, which a shard does between any two batches,
      // gives it the reserve, or lets it start anew: the next try finds room.
      for (let position = 1000; position < 1020; position++) {
        if (!isStored(position, 0)) {
          while (log.maintain());
          if (!isStored(position, 0)) throw new Error(`state ${position} found no room`);
        }
        expect(consumers.load()[0]?.position).toBe(position);
      }
      log.close();
    });
  });

  it.each([
    ['a changed position', 'UPDATE consumers SET position = position + 1', /consumer one, lane 1,/],
    ['a changed lane', 'UPDATE consumers SET lane = 7', /consumer one, lane 7,/],
    ['another’s name', "UPDATE consumers SET consumer = 'two'", /consumer two, lane 1,/],
    ['changed bytes', "UPDATE consumers SET open = x'010203'", /consumer one, lane 1,/],
    ['a text for bytes', "UPDATE consumers SET open = 'abc'", /consumer one, lane 1,/],
    ['a missing row', 'DELETE FROM consumers', /has 0 rows, not 1/],
    ['a missing dead event', 'DELETE FROM consumer_dead', /consumer_dead.* has 0 rows, not 1/],
  ])('reports %s', (_, statement, expected) => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = open(file);
    append(log);
    log.consumers.put(laneOf({ lane: 1 }));
    log.consumers.putDead(deadOf());
    log.commit(true, []);
    log.close();
    change(file, statement);
    const again = open(file);
    let thrown: unknown;
    try {
      again.consumers.load();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(BusError);
    expect(thrown).toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(expected),
    });
    expect(readAll(again)).toHaveLength(1);
    again.close();
    expect(findings(file)).toEqual([expect.stringMatching(expected)]);
  });
});

describe('dead events in SQLite', () => {
  it.each([
    'UPDATE consumer_dead SET attempts = 1 WHERE sequence = 2',
    'UPDATE consumer_dead SET state = 1 WHERE sequence = 2',
    "UPDATE consumer_dead SET reason = 'none' WHERE sequence = 2",
    "UPDATE consumer_dead SET cause = 'term' WHERE sequence = 2",
    "UPDATE consumer_dead SET record = x'00' WHERE sequence = 2",
    'UPDATE consumer_dead SET record = 5 WHERE sequence = 2',
  ])('name the one whose row is damaged, and leave the others: %s', (statement) => {
    const file = shardFile(temporaryDirectory(), 0);
    const log = open(file);
    for (let n = 1; n <= 3; n++) {
      append(log);
      log.consumers.putDead(deadOf({ sequence: n }));
    }
    log.commit(true, []);
    log.close();
    change(file, statement);
    const again = open(file);
    const { consumers } = again;
    const details = { consumer: 'one', sequence: 2 };
    const damage = expect.objectContaining({
      code: 'STORE_CORRUPT',
      details: expect.objectContaining(details),
    });
    expect(() => consumers.dead('one', 0, 10)).toThrow(damage);
    expect(() => consumers.lettersDue(10)).toThrow(damage);
    const told: BusError[] = [];
    const passing = (): number[] =>
      consumers.lettersDue(10, undefined, (error) => told.push(error)).map((one) => one.sequence);
    expect([passing(), passing()]).toEqual([
      [1, 3],
      [1, 3],
    ]);
    expect(told).toEqual([damage]);
    expect(() => consumers.deadAt('one', 2)).toThrow(damage);
    expect(consumers.deadAt('one', 1)).toEqual(deadOf());
    expect(consumers.deadAt('one', 4)).toBeUndefined();
    expect(consumers.dead('one', 0, 1)).toEqual([deadOf()]);
    expect(consumers.dead('one', 2, 10)).toEqual([deadOf({ sequence: 3 })]);
    expect(findings(file)).toEqual([expect.stringContaining('event 2, dead for consumer one,')]);
    // The damaged row changes nothing, and can be removed.
    consumers.changeDead('one', 2, REDRIVEN);
    again.commit(true, []);
    again.pruning.prune({ pattern: '*', excessEvents: 3, excessBytes: 0, after: 0 });
    expect(() => consumers.dead('one', 0, 10)).toThrow(damage);
    consumers.removeDead('one', 2);
    again.commit(true, []);
    expect(consumers.dead('one', 0, 10).map(({ sequence }) => sequence)).toEqual([1, 3]);
    again.close();
    expect(findings(file)).toEqual([]);
  });

  it('keep their records when a retention rule removes them', () => {
    const file = shardFile(temporaryDirectory(), 0);
    const options = { file, shard: 0, retention: [{ maxEvents: 10 }] };
    let log = new SqliteShardLog(options);
    for (let n = 1; n <= 3000; n++) append(log, { id: `e${n}`, payload: { n } });
    for (const sequence of [1, 1500, 2995]) log.consumers.putDead(deadOf({ sequence }));
    log.commit(true, []);
    const events = readAll(log);
    while (log.pruning.pruneStep(1000));
    for (let opened = 0; opened < 2; opened++) {
      const dead = log.consumers.dead('one', 0, 10);
      expect(dead.map(({ record }) => record !== undefined)).toEqual([true, true, false]);
      const view = new EventRecordView();
      for (const { sequence, record } of dead.slice(0, 2)) {
        view.wrap(Buffer.from(record!), 0);
        const { id, payload } = events[sequence - 1]!;
        expect([view.id, JSON.parse(view.payloadText)]).toEqual([id, payload]);
      }
      log.close();
      log = new SqliteShardLog(options);
    }
    log.close();
    expect(findings(file)).toEqual([]);
  });

  it('are pruned though their content is damaged; there is then no record', () => {
    const file = shardFile(temporaryDirectory(), 0);
    let log = open(file);
    append(log);
    append(log);
    log.consumers.putDead(deadOf());
    log.commit(true, []);
    log.close();
    change(file, "UPDATE events SET payload = CAST('2' AS BLOB) WHERE sequence = 1");
    log = open(file);
    const request = { pattern: '*', excessEvents: 1, excessBytes: 0, after: 0 };
    expect(log.pruning.prune(request).events).toBe(1);
    expect(log.consumers.dead('one', 0, 1)).toEqual([deadOf()]);
    log.close();
    expect(findings(file)).toEqual([]);
  });
});

describe('the table of dead events', () => {
  const sound = [LETTER_DUE, LETTER_SENT, REDRIVEN, NO_LETTER_WANTED] as const;
  const where = { consumer: fc.constantFrom('a', 'b'), sequence: fc.integer({ min: 1, max: 6 }) };
  const step = fc.oneof(
    fc.record({ ...where, act: fc.constant('put' as const), state: fc.constantFrom(...sound) }),
    fc.record({ ...where, act: fc.constant('change' as const), state: fc.constantFrom(...sound) }),
    fc.record({ ...where, act: fc.constantFrom('remove', 'prune', 'removeAll') }),
    fc.record({ act: fc.constantFrom('commit', 'rollback', 'open') }),
  );

  it('agrees with a plain array through any run of changes, roll-backs and reopenings', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const database = openDatabase(':memory:');
        database.exec(TABLES);
        const kept = { rows: 5, bytes: 25 };
        const recordOf = (sequence: number) => new Uint8Array(10).fill(sequence);
        const opened = () => new DeadTable(database, recordOf, kept);
        let table = opened();
        let model = new Model(kept);
        let committed = model.copy();
        let diedAt = 0;
        const begin = (): void => {
          if (!database.inTransaction) database.exec('BEGIN');
        };
        for (const one of steps) {
          if (!('sequence' in one)) {
            if (one.act === 'commit' && database.inTransaction) {
              table.finish();
              model.trim();
              database.exec('COMMIT');
              table.commit();
              committed = model.copy();
            } else if (database.inTransaction) {
              table.rollback();
              database.exec('ROLLBACK');
              model = committed.copy();
            }
            if (one.act === 'open') table = opened();
          } else {
            begin();
            const { consumer, sequence, act } = one;
            if ('state' in one && act === 'put') {
              const event = deadOf({ consumer, sequence, state: one.state, diedAt: ++diedAt });
              table.put(event);
              model.put(event);
            } else if ('state' in one) {
              table.change(consumer, sequence, one.state);
              model.change(consumer, sequence, { state: one.state });
            } else if (act === 'prune') {
              table.keepRecord(sequence);
              for (const of of ['a', 'b']) {
                const record = recordOf(sequence);
                if (model.find(of, sequence)?.record === undefined)
                  model.change(of, sequence, { record });
              }
            } else if (act === 'remove') {
              table.remove(consumer, sequence);
              model.remove(consumer, sequence);
            } else {
              expect(table.removeSome(consumer)).toBe(false);
              for (let of = 1; of <= 6; of++) model.remove(consumer, of);
            }
          }
          model.expectSame(table);
        }
        if (!database.inTransaction) table.assertComplete();
        database.close();
      }),
      { numRuns: 300 },
    );
  });
});

/** The dead events in the order in which they died. */
class Model {
  #events: StoredDeadEvent[] = [];
  readonly #kept: { rows: number; bytes: number };

  constructor(kept: { rows: number; bytes: number }) {
    this.#kept = kept;
  }

  copy(): Model {
    const copy = new Model(this.#kept);
    copy.#events = [...this.#events];
    return copy;
  }

  find(consumer: string, sequence: number): StoredDeadEvent | undefined {
    return this.#events.find((one) => one.consumer === consumer && one.sequence === sequence);
  }

  put(event: StoredDeadEvent): void {
    const { consumer, sequence } = event;
    const record = this.find(consumer, sequence)?.record;
    this.remove(consumer, sequence);
    this.#events.push(record === undefined ? event : { ...event, record });
  }

  change(consumer: string, sequence: number, to: Partial<StoredDeadEvent>): void {
    const event = this.find(consumer, sequence);
    if (event !== undefined) this.#events[this.#events.indexOf(event)] = { ...event, ...to };
  }

  remove(consumer: string, sequence: number): void {
    this.#events = this.#events.filter((one) => one !== this.find(consumer, sequence));
  }

  /** The oldest go whose letter is not due; then the oldest. Without a record an event takes no bytes. */
  trim(): void {
    const bytes = () => this.#events.reduce((sum, { record }) => sum + (record?.length ?? 0), 0);
    for (const isDueLeft of [true, false]) {
      for (const event of [...this.#events]) {
        const isTooMany = this.#events.length > this.#kept.rows;
        if (!isTooMany && bytes() <= this.#kept.bytes) return;
        if (isDueLeft && event.state === LETTER_DUE) continue;
        if (isTooMany || event.record !== undefined) this.remove(event.consumer, event.sequence);
      }
    }
  }

  expectSame(table: DeadTable): void {
    for (const consumer of ['a', 'b']) {
      const own = this.#events.filter((one) => one.consumer === consumer);
      expect(plain(table.page(consumer, 0, 10))).toEqual(
        plain(own.sort((one, other) => one.sequence - other.sequence)),
      );
      expect(table.countOf(consumer)).toBe(own.filter(({ state }) => state !== REDRIVEN).length);
    }
    const due = this.#events.filter(({ state }) => state === LETTER_DUE);
    const byKey = (events: readonly StoredDeadEvent[]) => new Set(events.map(keyOf));
    expect(byKey(table.due(10))).toEqual(byKey(due));
    expect(table.holds).toBe(this.#events.some(({ record }) => record === undefined));
  }
}

const keyOf = ({ consumer, sequence }: StoredDeadEvent): string => `${consumer} ${sequence}`;

function plain(events: readonly StoredDeadEvent[]): unknown[] {
  return events.map(({ record, ...event }) => ({ ...event, record: record && [...record] }));
}
