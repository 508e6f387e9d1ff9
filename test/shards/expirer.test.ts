import { expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import { DUE_RETRY_MS } from '../../src/protocol/limits/schedules.js';
import { Expirer, type ExpirerOptions } from '../../src/shards/expirer.js';
import { shardFile } from '../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../src/store/sqlite/tables/tables.js';
import { temporaryDirectory } from '../store/directories.js';
import { record } from '../store/records.js';

it('lets the thread park while what the consumers ended is not stored', () => {
  let stored = (): void => {};
  let isEnded = false;
  const removed: number[] = [];
  const expiry = {
    first: 10,
    due: () => [{ sequence: 1 }],
    remove: (sequences: readonly number[]) => removed.push(...sequences),
    passOver: () => {},
  };
  const desk = {
    expired: () => {
      const hasChanged = !isEnded;
      isEnded = true;
      return hasChanged;
    },
    whenStored: (done: () => void) => {
      stored = done;
    },
  };
  const expirer = new Expirer(expiry, {
    shard: 0,
    clock: { removalNow: 20 },
    elapsed: () => 5,
    onDamage: () => {},
    onRemoved: () => {},
  });
  expect(expirer.idleMs(1000)).toBe(0);
  expect(expirer.step(desk)).toBe(true);
  expect(expirer.hasWork(desk)).toBe(false);
  expect(expirer.idleMs(1000)).toBe(1000);
  expect(removed).toEqual([]);
  stored();
  expect(expirer.idleMs(1000)).toBe(0);
  expect(expirer.step(desk)).toBe(true);
  expect(removed).toEqual([1]);
});

/** A log of events 1 to `count`, all of which have expired; some of them meet damage when they are removed. */
class Expiring {
  readonly removed: number[] = [];
  readonly damage: string[] = [];
  removals = 0;
  entriesAreDamaged = false;
  readonly #left: Set<number>;
  readonly #damaged: ReadonlyMap<number, string>;

  constructor(count: number, damaged: ReadonlyMap<number, string>) {
    this.#left = new Set(Array.from({ length: count }, (_, n) => n + 1));
    this.#damaged = damaged;
  }

  get first(): number {
    if (this.entriesAreDamaged) throw new BusError('STORE_CORRUPT', 'no entry can be read');
    return this.#left.size > 0 ? 10 : Number.POSITIVE_INFINITY;
  }

  due(): { sequence: number }[] {
    return [...this.#left].slice(0, 64).map((sequence) => ({ sequence }));
  }

  remove(sequences: readonly number[]): number {
    this.removals++;
    for (const sequence of sequences) {
      const reason = this.#damaged.get(sequence);
      if (reason !== undefined) throw new BusError('STORE_CORRUPT', reason);
    }
    for (const sequence of sequences) this.#left.delete(sequence);
    this.removed.push(...sequences);
    return sequences.length;
  }

  passOver(sequence: number): void {
    this.#left.delete(sequence);
  }

  expirer(options: Partial<ExpirerOptions> = {}): Expirer {
    return new Expirer(this, {
      shard: 0,
      clock: { removalNow: 20 },
      elapsed: () => 5,
      onDamage: ({ message }) => this.damage.push(message),
      onRemoved: () => {},
      ...options,
    });
  }
}

it.each([1, 2, 63, 64, 65, 200])('passes over what cannot be removed, of %i events', (count) => {
  const worst = Math.max(1, Math.floor(count / 2));
  const log = new Expiring(count, new Map([worst, count].map((one) => [one, `row ${one}`])));
  const expirer = log.expirer();
  let steps = 0;
  while (expirer.step(undefined)) expect(++steps).toBeLessThan(200);
  expect(log.removed.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: count }, (_, n) => n + 1).filter((n) => n !== worst && n !== count),
  );
  expect(log.damage.toSorted()).toEqual([...new Set([`row ${count}`, `row ${worst}`])].toSorted());
  expect(expirer.idleMs(1000)).toBe(1000);
});

it('tells one damage that all events meet once', () => {
  const all = new Map(Array.from({ length: 64 }, (_, n) => [n + 1, 'the block is damaged']));
  const log = new Expiring(64, all);
  const expirer = log.expirer();
  while (expirer.step(undefined));
  expect([log.removed, log.damage]).toEqual([[], ['the block is damaged']]);
  expect(log.removals).toBeLessThanOrEqual(127);
});

it('gives up, and tells so once, where the entries cannot be read', () => {
  const log = new Expiring(3, new Map());
  const expirer = log.expirer();
  log.entriesAreDamaged = true;
  expect(expirer.hasWork(undefined)).toBe(false);
  expect(expirer.step(undefined)).toBe(false);
  expect(expirer.idleMs(1000)).toBe(1000);
  expect(log.damage).toEqual(['no entry can be read']);
});

it('removes nothing while the states of consumers cannot be read', () => {
  const log = new Expiring(3, new Map());
  let isHeld = true;
  const expirer = log.expirer({ isHeld: () => isHeld });
  expect(expirer.step(undefined)).toBe(false);
  expect(expirer.idleMs(1000)).toBe(1000);
  isHeld = false;
  expect(expirer.step(undefined)).toBe(true);
  expect(log.removed).toEqual([1, 2, 3]);
});

it('waits for room on a full disk, and then removes all of it', () => {
  const log = new Expiring(200, new Map([[2, 'row 2']]));
  let elapsed = 1000;
  let isFull = false;
  const remove = log.remove.bind(log);
  log.remove = (sequences) => {
    if (isFull) throw new BusError('STORE_FULL', 'no room');
    return remove(sequences);
  };
  let removed = 0;
  const onRemoved = (events: number) => (removed += events);
  const expirer = log.expirer({ elapsed: () => elapsed, onRemoved });
  // The first step meets the damage, so that there are parts left when the disk is full.
  expect(expirer.step(undefined)).toBe(true);
  isFull = true;
  expect(expirer.step(undefined)).toBe(true);
  expect([expirer.hasWork(undefined), expirer.idleMs(10 * DUE_RETRY_MS)]).toEqual([
    false,
    DUE_RETRY_MS,
  ]);
  expect(expirer.idleMs(1)).toBe(1);
  elapsed += DUE_RETRY_MS - 1;
  expect([expirer.step(undefined), expirer.idleMs(1000)]).toEqual([false, 1]);
  elapsed++;
  isFull = false;
  expect(expirer.idleMs(1000)).toBe(0);
  while (expirer.step(undefined));
  expect([log.removed.length, removed, log.damage]).toEqual([199, 199, ['row 2']]);
});

it('lets errors through that it has no answer to', () => {
  const log = new Expiring(3, new Map());
  for (const error of [new BusError('STORE_LOCKED', 'locked'), new TypeError('a bug')]) {
    log.remove = () => {
      throw error;
    };
    expect(() => log.expirer().step(undefined)).toThrow(error);
    const unread = { ...log, due: log.due, passOver: log.passOver, remove: log.remove };
    Object.defineProperty(unread, 'first', {
      get: () => {
        throw error;
      },
    });
    const options = { shard: 0, clock: { removalNow: 20 }, elapsed: () => 5 };
    const expirer = new Expirer(unread as unknown as Expiring, {
      ...options,
      onDamage: () => {},
      onRemoved: () => {},
    });
    expect(() => expirer.hasWork(undefined)).toThrow(error);
  }
});

it('leaves events whose entries are faulty, and tells which', () => {
  const log = new Expiring(3, new Map());
  const found = [{ sequence: 1, fault: 'entry 1' }, { sequence: 2 }, { sequence: 3 }];
  log.due = () => found;
  const told: BusError[] = [];
  const expirer = log.expirer({ shard: 7, onDamage: (error) => told.push(error) });
  expect(expirer.step(undefined)).toBe(true);
  expect(log.removed).toEqual([2, 3]);
  const message = 'shard 7: entry 1: it is hidden from readers, and not removed';
  expect(told.map((error) => error.toJSON())).toEqual([
    { code: 'STORE_CORRUPT', message, details: { shard: 7, reason: 'entry 1' } },
  ]);
  log.due = () => found.slice(0, 1);
  expect(expirer.step(undefined)).toBe(true);
  expect([log.removed, told.length]).toEqual([[2, 3], 1]);
});

it('sleeps until the first event expires, and does nothing before', () => {
  const log = new Expiring(1, new Map());
  let removalNow = 3;
  const clock = {
    get removalNow() {
      return removalNow;
    },
  };
  const expirer = log.expirer({ clock });
  expect([expirer.idleMs(1000), expirer.idleMs(4)]).toEqual([7, 4]);
  expect(expirer.step(undefined)).toBe(false);
  removalNow = 10;
  expect([expirer.idleMs(1000), expirer.hasWork(undefined)]).toEqual([0, true]);
  expect(expirer.step(undefined)).toBe(true);
  expect([log.removed, expirer.idleMs(1000), expirer.hasWork(undefined)]).toEqual([
    [1],
    1000,
    false,
  ]);
});

it('asks the desk that has replaced one whose decision was not stored', () => {
  const log = new Expiring(2, new Map());
  const expirer = log.expirer();
  const asked: (readonly number[])[] = [];
  const desk = (hasChanged: boolean) => ({
    expired: (sequences: readonly number[]) => {
      asked.push(sequences);
      return hasChanged;
    },
    whenStored: () => {},
  });
  const dead = desk(true);
  expect(expirer.step(dead)).toBe(true);
  expect([expirer.step(dead), log.removed]).toEqual([false, []]);
  const next = desk(false);
  expect(expirer.hasWork(next)).toBe(true);
  expect(expirer.step(next)).toBe(true);
  expect([asked, log.removed]).toEqual([
    [
      [1, 2],
      [1, 2],
    ],
    [1, 2],
  ]);
});

it('goes on behind a block of the log of which the record of removed events is damaged', () => {
  const file = shardFile(temporaryDirectory(), 0);
  const log = new SqliteShardLog({ file, shard: 0 });
  const append = (expiry: number): void => {
    log.append(record({ topic: 'a', timestamp: 1, expiry }), 0, 1);
  };
  for (let n = 1; n <= 10; n++) append(10);
  log.commit(true, []);
  log.expiry.remove([1]);
  for (let n = 11; n <= INDEX_BLOCK_EVENTS; n++) {
    append(0);
    if (n % 4096 === 0) log.commit(false, []);
  }
  for (let n = 0; n < 3; n++) append(15);
  log.commit(true, []);
  const database = openDatabase(file);
  database.exec('UPDATE pruned_blocks SET checksum = checksum + 1');
  database.close();
  const told: BusError[] = [];
  const expirer = new Expirer(log.expiry, {
    shard: 0,
    clock: { removalNow: 20 },
    elapsed: () => 5,
    onDamage: (error) => told.push(error),
    onRemoved: () => {},
  });
  while (expirer.step(undefined));
  expect(told).toMatchObject([{ code: 'STORE_CORRUPT' }]);
  expect(told[0]!.message).toContain('block 0 in pruned_blocks is damaged');
  expect(log.prunedEvents).toBe(4);
  expect(expirer.idleMs(1000)).toBe(1000);
  log.close();
});
