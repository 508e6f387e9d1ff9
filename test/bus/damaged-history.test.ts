import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bus, BusOptions } from '../../src/main/bus.js';
import { PAGE_BYTES } from '../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../src/store/sqlite/driver/driver.js';
import { errorsTold, openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

/** More than are looked at when a log is opened. */
const EVENTS = 40_000;
const DAMAGED = 2000;
const ROWS_PER_STEP = 1024;

const corrupt = expect.objectContaining({ code: 'STORE_CORRUPT' });

const inputOf = (n: number) => ({
  topic: 't',
  type: 'state_updated',
  payload: `event ${n}. ${'x'.repeat(100)}`,
});

function open(dir: string, options: BusOptions = {}): Promise<Bus> {
  return openTestBus({ dir, shards: 1, systemEvents: false, dedupeWindowMs: 1, ...options });
}

function damageRow(file: string): void {
  const database = openDatabase(file);
  database.exec(`UPDATE events SET recorded_at = recorded_at + 1 WHERE sequence = ${DAMAGED}`);
  database.close();
}

function zeroPage(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(`event ${DAMAGED}.`);
  const page = at - (at % PAGE_BYTES);
  bytes.fill(0, page, page + PAGE_BYTES);
  writeFileSync(file, bytes);
}

async function expectToGoOn(bus: Bus): Promise<void> {
  const ack = await bus.publish(inputOf(EVENTS + 1));
  expect(ack.sequence).toBeGreaterThan(EVENTS);
  expect(await bus.query({ topic: 't', reverse: true, limit: 5 })).toHaveLength(5);
  const { shards } = await bus.stats();
  expect(shards[0]).toMatchObject({ restarts: 0, state: 'running' });
}

describe('in the middle of a history', () => {
  // Shared by all tests here; other directories are removed after each test.
  const made = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  const copyOf = (): string => {
    const dir = temporaryDirectory();
    cpSync(made, dir, { recursive: true });
    return dir;
  };

  beforeAll(async () => {
    const bus = await open(made);
    for (let n = 1; n <= EVENTS; n += 2000) {
      await bus.publishMany(Array.from({ length: 2000 }, (_, more) => inputOf(n + more)));
    }
    await bus.close();
  }, 60_000);

  afterAll(() => rmSync(made, { recursive: true, force: true }));

  it.each([
    ['event', damageRow, DAMAGED],
    // SQLite looks at the pages beside one that is emptied, so that a step ends further ahead.
    ['page', zeroPage, ROWS_PER_STEP + 1],
  ])(
    'a damaged %s stops retention, which reports it, and everything else goes on',
    async (_, damage, from) => {
      const dir = copyOf();
      damage(join(dir, 'shard-000.db'));
      const bus = await open(dir, { retention: [{ maxEvents: 10 }] });
      await until('it is told', () => errorsTold(bus).length > 0);
      await expectToGoOn(bus);
      await expect(bus.prune({ pattern: '*', maxEvents: 10 })).rejects.toEqual(corrupt);
      await expectToGoOn(bus);
      expect(errorsTold(bus)).toEqual([corrupt]);
      await bus.close();
      const database = openDatabase(join(dir, 'shard-000.db'));
      const oldest = database.prepare('SELECT min(sequence) FROM events').pluck().get();
      database.close();
      expect(oldest).toBeGreaterThanOrEqual(from);
      expect(oldest).toBeLessThanOrEqual(DAMAGED);
    },
  );

  it.each([
    ['event', damageRow],
    ['page', zeroPage],
  ])(
    'a damaged %s is reported by a list of its topic, if it is the oldest of the topic',
    async (_, damage) => {
      const dir = copyOf();
      let bus = await open(dir);
      await bus.prune({ pattern: 't', maxEvents: EVENTS - DAMAGED + 1 });
      await bus.close();
      damage(join(dir, 'shard-000.db'));
      bus = await open(dir);
      for (let n = 0; n < 2; n++) await expect(bus.topics('t')).rejects.toEqual(corrupt);
      await expectToGoOn(bus);
    },
  );
});
