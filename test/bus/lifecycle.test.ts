import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { EventInput } from '../../src/protocol/event.js';
import { Collector, gather } from './support/collector.js';
import { refused, subscriptionRefused } from './support/failures.js';
import { openBus } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory } from './support/oracle.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { within } from './support/wait.js';

/** Opening, draining, closing, opening again; and who else may have the directory meanwhile. */
const note: EventInput = { topic: 'notes.one', type: 'chat_message', payload: 1 };

const child = fileURLToPath(new URL('./support/opener.js', import.meta.url));

describe('close', () => {
  test('acknowledges accepted events, and all of them are there after reopening', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2, ringBytes: 4096 });
    const publishes = Array.from({ length: 800 }, (_, n) =>
      bus.publish({ ...note, topic: `t.${n % 5}`, payload: n }),
    );
    const settled = Promise.allSettled(publishes);
    await within('close', bus.close());
    const outcomes = await within('all outcomes', settled);
    const acks = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const one of outcomes) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'BUS_CLOSED' });
    }
    bus = await openTestBus({ dir });
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'reopened');
  });

  test('may be called again, also at the same time', async () => {
    const bus = await openTestBus({ shards: 2 });
    await within('close', Promise.all([bus.close(), bus.close()]));
    await within('close again', bus.close());
    await bus[Symbol.asyncDispose]();
  });

  test('refuses everything afterwards with BUS_CLOSED', async () => {
    const bus = await openTestBus({ shards: 1 });
    const subscription = bus.subscribe('*');
    await subscription.ready;
    await bus.close();
    await refused(() => bus.publish(note), 'BUS_CLOSED');
    await refused(() => bus.publishMany([note]), 'BUS_CLOSED');
    await refused(() => bus.tryPublish(note), 'BUS_CLOSED');
    await refused(() => bus.query({ topic: '*' }), 'BUS_CLOSED');
    await refused(() => gather(bus.read({ topic: '*' })), 'BUS_CLOSED');
    await refused(() => bus.topics(), 'BUS_CLOSED');
    await refused(() => bus.subscribers('t'), 'BUS_CLOSED');
    await refused(() => bus.stats(), 'BUS_CLOSED');
    await refused(() => bus.attachment(), 'BUS_CLOSED');
    await subscriptionRefused(() => bus.subscribe('*'), 'BUS_CLOSED');
    await within(
      'the update to end',
      subscription.update('t').catch(() => undefined),
    );
  });

  test('ends subscriptions without an error', async () => {
    const bus = await openTestBus({ shards: 2 });
    const handled = bus.subscribe('*', () => {});
    const iterated = bus.subscribe('*');
    const reading = gather(iterated);
    await Promise.all([handled.ready, iterated.ready]);
    await bus.publish(note);
    await bus.close();
    await within('closed', Promise.all([handled.closed, iterated.closed]));
    expect((await within('the iterator', reading)).length).toBeLessThanOrEqual(1);
  });

  test('does not wait for a handler that never ends', async () => {
    const bus = await openTestBus({ shards: 1 });
    const stuck = bus.subscribe('*', () => new Promise<void>(() => {}));
    await stuck.ready;
    await bus.publishMany([note, note]);
    await within('close', bus.close());
  });

  test('completes while a subscriber with block holds the shard', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: 4096 });
    const stuck = bus.subscribe('*', () => new Promise<void>(() => {}), {
      overflow: 'block',
      maxBuffer: 1,
    });
    await stuck.ready;
    const publishes = Promise.allSettled(Array.from({ length: 3000 }, () => bus.publish(note)));
    await within('close', bus.close());
    await within('all outcomes', publishes);
  });

  test('during a read ends the read', async () => {
    const bus = await openTestBus({ shards: 1 });
    await bus.publishMany(Array.from({ length: 3000 }, () => note));
    let seen = 0;
    const reading = (async () => {
      for await (const event of bus.read({ topic: '*' })) {
        expect(event.topic).toBe(note.topic);
        if (++seen === 10) await bus.close();
      }
    })();
    await within(
      'the read',
      reading.catch((error: unknown) => error),
    );
  });
});

describe('drain', () => {
  test('waits for acks and for handlers', async () => {
    const bus = await openTestBus({ shards: 2 });
    let ended = 0;
    const slow = bus.subscribe('*', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      ended++;
    });
    await slow.ready;
    for (let n = 0; n < 200; n++) bus.tryPublish({ ...note, topic: `t.${n % 4}` });
    await within('drain', bus.drain());
    expect(ended).toBe(200);
    await bus.publish(note);
  });

  test('resolves while others publish to topics without subscribers here', async () => {
    const bus = await openTestBus({ shards: 1 });
    const mine = bus.subscribe('mine', () => {});
    await mine.ready;
    const worker = await RemoteEndpoint.attach(bus);
    const inputs = Array.from({ length: 2000 }, (_, n) => ({ ...note, topic: 't', payload: n }));
    let isOver = false;
    const publishing = worker.publishEach(inputs).finally(() => {
      isOver = true;
    });
    for (let turn = 0; turn < 3 || !isOver; turn++) await within('drain', bus.drain());
    await publishing;
  });

  test('resolves with an iterator that has asked for the next event', async () => {
    const bus = await openTestBus({ shards: 2 });
    const subscription = bus.subscribe('*');
    await subscription.ready;
    let seen = 0;
    const reading = (async () => {
      for await (const _ of subscription) seen++;
    })();
    for (let n = 0; n < 20; n++) await bus.publish({ ...note, topic: `t.${n}` });
    await within('drain', bus.drain());
    expect(seen).toBe(20);
    await subscription.unsubscribe();
    await reading;
  });

  test('waits for a subscriber that lags behind', async () => {
    const bus = await openTestBus({ shards: 2 });
    let ended = 0;
    const slow = bus.subscribe(
      '*',
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        ended++;
      },
      { maxBuffer: 1 },
    );
    await slow.ready;
    await bus.publishMany(
      Array.from({ length: 1500 }, (_, n) => ({ ...note, topic: `t.${n % 4}` })),
    );
    await within('drain', bus.drain());
    expect(ended).toBe(1500);
  });
});

describe('a directory', () => {
  test('is created for its owner only, and keeps its number of shards', async () => {
    const dir = join(temporaryDirectory(), 'new', 'data');
    let bus = await openTestBus({ dir, shards: 3 });
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const { epoch } = bus;
    await bus.publish(note);
    await bus.close();
    bus = await openTestBus({ dir });
    expect(bus.shards).toBe(3);
    expect(bus.epoch).toBe(epoch);
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
    await bus.close();
    const error = await refused(() => openBus({ dir, shards: 2 }), 'SHARD_COUNT_MISMATCH', '3');
    expect(error.message).toContain('reshard');
  });

  test('is refused to a second bus, in this process and in another', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1 });
    await refused(() => openBus({ dir }), 'STORE_LOCKED', dir);
    const { stdout } = spawnSync(process.execPath, [child, dir], { encoding: 'utf8' });
    expect(JSON.parse(stdout)).toMatchObject({ code: 'STORE_LOCKED' });
    expect(await bus.publish(note)).toMatchObject({ sequence: 1 });
    await bus.close();
    const again = spawnSync(process.execPath, [child, dir], { encoding: 'utf8' });
    expect(JSON.parse(again.stdout)).toMatchObject({ sequence: 2 });
    expect(again.status).toBe(0);
  });

  test('that cannot be used is refused and not changed', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, 'not a directory');
    await expect(openBus({ dir: file })).rejects.toMatchObject({ name: 'BusError' });
    const foreign = temporaryDirectory();
    mkdirSync(join(foreign, 'shard-000.db'));
    await expect(openBus({ dir: foreign, shards: 1 })).rejects.toMatchObject({ name: 'BusError' });
  });

  test('with a file that is no database is refused with STORE_CORRUPT and the file', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2 });
    await bus.publish(note);
    await bus.close();
    writeFileSync(join(dir, 'shard-001.db'), 'garbage'.repeat(5000));
    await refused(() => openBus({ dir }), ['STORE_CORRUPT', 'STORE_FAILED'], 'shard-001.db');
  });
});

describe('a bus in memory', () => {
  test('does the same as any other, and keeps nothing', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 2 });
    await bus.publishMany(Array.from({ length: 500 }, (_, n) => ({ ...note, payload: n })));
    const replay = await Collector.start(bus, '*', { from: 'earliest' });
    await bus.publish({ ...note, payload: 500, id: 'last' });
    expect(await bus.publish({ ...note, id: 'last' })).toMatchObject({ duplicate: true });
    await replay.count(501);
    expect(replay.payloads).toEqual(Array.from({ length: 501 }, (_, n) => n));
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(501);
    expect(await bus.query({ topic: '*', reverse: true, limit: 1 })).toMatchObject([
      { id: 'last' },
    ]);
    await bus.close();
    const next = await openTestBus({ dir: ':memory:', shards: 2 });
    expect(await next.query({ topic: '*' })).toEqual([]);
  });

  test('is a separate bus for each openBus', async () => {
    const one = await openTestBus({ dir: ':memory:', shards: 1 });
    const two = await openTestBus({ dir: ':memory:', shards: 1 });
    await one.publish(note);
    expect(await two.query({ topic: '*' })).toEqual([]);
    expect(one.epoch).not.toBe(two.epoch);
  });

  test('reads a long history', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    for (let n = 0; n < 3; n++) {
      await bus.publishMany(Array.from({ length: 4000 }, () => note));
    }
    const replay = await Collector.start(bus, '*', { from: 'earliest' });
    await replay.count(12_000);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(12_000);
  });
});

describe('a process', () => {
  test('ends by itself once its bus is closed', () => {
    const dir = temporaryDirectory();
    const run = spawnSync(process.execPath, [child, dir], { encoding: 'utf8', timeout: 20_000 });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ sequence: 1 });
  });

  test('ends by itself even if an attachment was never used', () => {
    const dir = temporaryDirectory();
    const run = spawnSync(process.execPath, [child, dir, 'attachment'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });

  test('ends by itself even if a worker was attached when its bus was closed', () => {
    const dir = temporaryDirectory();
    const run = spawnSync(process.execPath, [child, dir, 'worker'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });

  test('that exits without closing keeps every acknowledged event', async () => {
    const dir = temporaryDirectory();
    const run = spawnSync(process.execPath, [child, dir, 'exit'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(JSON.parse(run.stdout)).toMatchObject({ sequence: 1 });
    const bus = await openTestBus({ dir });
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
  });
});
