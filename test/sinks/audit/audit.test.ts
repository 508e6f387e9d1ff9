import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { BusError } from '../../../src/protocol/errors.js';
import type { Event } from '../../../src/protocol/event.js';
import type { AuditOptions } from '../../../src/sinks/audit/audit-options.js';
import type { TrailHead } from '../../../src/sinks/audit/trail.js';
import { verifyTrail } from '../../../src/sinks/audit/verify.js';
import type { Sink } from '../../../src/sinks/sink.js';
import { openTestBus, temporaryDirectory } from '../../bus/support/open.js';
import { until, within } from '../../bus/support/wait.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../../support/small-disk.js';
import { audit } from '../built.js';
import { eventsIn, pathsOf } from './support/trails.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const AUDITOR = fileURLToPath(new URL('./support/auditor.js', import.meta.url));

const sinks: Sink[] = [];
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
});

async function game() {
  const bus = await openTestBus({ dir: ':memory:', shards: 2 });
  const consumer = await bus.consumer('audit', { filter: 'a.*', from: 'earliest' });
  const path = join(temporaryDirectory(), 'trail');
  const told: BusError[] = [];
  return {
    bus,
    consumer,
    path,
    told,
    publish: (count: number) =>
      bus.publishMany(
        Array.from({ length: count }, (_, n) => ({ topic: `a.${n % 7}`, type: 't', payload: n })),
      ),
    start: (options: Partial<AuditOptions> = {}) => {
      const sink = audit({ consumer, path, onError: (error) => told.push(error), ...options });
      sinks.push(sink);
      return sink;
    },
    settled: (count: number) =>
      until('all are acknowledged', async () => (await consumer.info()).acked === count),
  };
}

const placesOf = (events: readonly Event[]): string[] =>
  events.map(({ shard, sequence, id }) => `${shard} ${sequence} ${id}`).sort();

describe('an audit trail', () => {
  it('has every event as the bus hands it out, and tells its head', async () => {
    const { bus, path, publish, start, settled } = await game();
    await publish(500);
    const heads: TrailHead[] = [];
    const sink = start({
      key: 'sixteen bytes and more',
      rotateBytes: 50_000,
      onHead: (h) => heads.push(h),
    });
    await settled(500);
    await sink.stop();
    const stored = await bus.query({ topic: 'a.*', limit: 1000 });
    const written = await eventsIn(path);
    expect(placesOf(written)).toEqual(placesOf(stored));
    const byId = new Map(stored.map((event) => [event.id, JSON.parse(JSON.stringify(event))]));
    for (const event of written) expect(event).toEqual(byId.get(event.id));
    for (const shard of [0, 1]) {
      const inShard = written.filter((event) => event.shard === shard);
      const sequences = inShard.map(({ sequence }) => sequence!);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    }
    const report = await verifyTrail(await pathsOf(path), { expectHead: heads[0]!.hash });
    expect(report.fault).toBeUndefined();
    expect(heads.at(-1)).toMatchObject({ line: report.lastLine, hash: report.head });
    expect(sink.info()).toMatchObject({ kind: 'audit', done: 500, failed: 0, head: heads.at(-1) });
    expect(heads.length).toBeLessThan(500);
  });

  it('writes nothing twice when the consumer hands out everything again', async () => {
    const { consumer, path, publish, start } = await game();
    await publish(100);
    const sink = start({ rotateBytes: 2000 });
    const acked = async () => (await consumer.info()).acked;
    await until('all are acknowledged', async () => (await acked()) === 100);
    await consumer.seek('earliest');
    await until('all are acknowledged again', async () => (await acked()) === 200);
    expect(sink.info().done).toBe(100);
    expect(await eventsIn(path)).toHaveLength(100);
    expect((await verifyTrail(await pathsOf(path))).fault).toBeUndefined();
  });

  it('waits for its disk, and goes on once it is there', async () => {
    const { path, told, publish, start, settled } = await game();
    writeFileSync(path, 'a file is where the directory has to be');
    await publish(3);
    const sink = start();
    await until('the failure is told', () => told.length > 0);
    expect(sink.info().state).toBe('waiting');
    rmSync(path);
    await settled(3);
    expect(sink.info()).toMatchObject({ state: 'running', done: 3 });
  });

  it('holds its events while the disk is full, at no cost of their attempts', (context) =>
    onSmallDisk(context, temporaryDirectory(), async (disk) => {
      const { bus, told, publish } = await game();
      const definition = { filter: 'a.*', leaseMs: 2000, maxAttempts: 1 };
      const consumer = await bus.consumer('held', { ...definition, from: 'earliest' });
      const path = join(disk, 'trail');
      const sink = audit({ consumer, path, onError: (error) => told.push(error) });
      sinks.push(sink);
      await sink.ready;
      const filler = join(disk, 'filler');
      takeAllRoom(filler);
      await publish(200);
      // Longer than a lease.
      await until('failures are told', () => told.length > 4);
      const { acked, dead } = await consumer.info();
      // A first, short batch may have found room on the last page of the file.
      expect([acked < 200, dead]).toEqual([true, 0]);
      giveBack(filler, 2 ** 20);
      await until('all are acknowledged', async () => (await consumer.info()).acked === 200);
      expect(await eventsIn(path)).toHaveLength(200);
      expect((await verifyTrail(await pathsOf(path))).fault).toBeUndefined();
      expect((await consumer.info()).dead).toBe(0);
      await sink.stop();
    }));

  it('keeps its events while it cannot write, and gives them back when it stops', async () => {
    const { consumer, path, told, publish, start } = await game();
    const sink = start();
    await sink.ready;
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    await publish(3);
    await until('the failure is told', () => told.length > 0);
    await within('the stop', sink.stop());
    expect(await consumer.info()).toMatchObject({ acked: 0, dead: 0, pending: 3 });
  });

  it('ends where somebody has changed its file, and keeps its events', async () => {
    const { consumer, path, publish, start, settled } = await game();
    await publish(3);
    await start().ready;
    await settled(3);
    await sinks[0]!.stop();
    const [file] = (await pathsOf(path)) as [string];
    const changed = readFileSync(file, 'utf8').replace('"payload":1', '"payload":7');
    writeFileSync(file, changed);
    const sink = start();
    await expect(within('its end', sink.closed)).rejects.toMatchObject({ code: 'AUDIT_BROKEN' });
    await publish(1);
    expect((await consumer.info()).pending).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe(changed);
  });

  it('refuses options that cannot be right, and shows no key', async () => {
    const { consumer, path } = await game();
    const wrong: [object, RegExp][] = [
      [{ path: undefined }, /path: is missing/],
      [{ path: '' }, /has to be a path/],
      [{ consumer: undefined }, /consumer: is missing/],
      [{ key: 'hunter2' }, /16 to 4096 bytes/],
      [{ signingKey: 'hunter2' }, /private key of Ed25519/],
      [{ key: 'sixteen bytes and more', rotateBytes: 5 }, /rotateBytes/],
      [{ rotateMs: 1 }, /rotateMs/],
      [{ concurrency: 0 }, /concurrency/],
    ];
    for (const [change, message] of wrong) {
      const make = () => audit({ consumer, path, ...change });
      expect(make).toThrow(message);
      expect(make).not.toThrow(/hunter2/);
    }
    expect(existsSync(path)).toBe(false);
  });

  it('has each event once after its process was killed, again and again', {
    timeout: 180_000,
  }, async () => {
    const dir = temporaryDirectory();
    mkdirSync(dir, { recursive: true });
    let lines = 0;
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [AUDITOR, ROOT, dir, '100000']);
      const wanted = lines + 5 + 21 * round;
      const closed = new Promise((resolve) => child.once('close', resolve));
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines = Number(line);
        if (lines >= wanted) child.kill('SIGKILL');
      });
      await closed;
    }
    const child = spawn(process.execPath, [AUDITOR, ROOT, dir, 'drain']);
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    const bus = await openTestBus({ dir: join(dir, 'bus') });
    const stored: Event[] = [];
    for await (const event of bus.read({ topic: 'a.*' })) stored.push(event);
    const trail = join(dir, 'trail');
    expect(stored.length).toBeGreaterThan(500);
    expect(placesOf(await eventsIn(trail))).toEqual(placesOf(stored));
    expect((await verifyTrail(await pathsOf(trail))).fault).toBeUndefined();
  });
});
