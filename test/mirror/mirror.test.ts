import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FaultyProxy } from '../../fuzz/faults/network/proxy.js';
import type * as index from '../../src/index.js';
import type { Bus } from '../../src/main/bus.js';
import type { Mirror, MirrorLog } from '../../src/mirror/mirror.js';
import type { MirrorOptions } from '../../src/mirror/mirror-options.js';
import type { Event } from '../../src/protocol/event.js';
import { MIB } from '../../src/protocol/limits/units.js';
import { openBus } from '../bus/support/millrace.js';
import {
  closeTestBus,
  openTestBus,
  removeDirectory,
  temporaryDirectory,
} from '../bus/support/open.js';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { until, within } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { natsStore, newPrefix } from '../stores/nats/support/nats.js';
import { NatsServer, natsServerPath } from '../stores/nats/support/server.js';
import { hasRedis, RedisServer } from '../stores/redis/redis-server.js';
import { redisStore } from '../stores/redis/subjects.js';
import { built } from '../testing/subjects.js';

const { openMirror } = await built<typeof index>('index');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MIRRORER = fileURLToPath(new URL('./support/mirrorer.mjs', import.meta.url));

async function allOf(log: Pick<MirrorLog, 'read'>, topic = '*'): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of log.read({ topic })) events.push(event);
  return events;
}

/** By topic, what of the events has to be the same in the mirror. */
function byTopic(events: readonly Event[]): Map<string, unknown[]> {
  const topics = new Map<string, unknown[]>();
  for (const { sequence: _, shard: __, ...fields } of events) {
    const { cursor: ___, recordedAt: ____, ...kept } = fields as Record<string, unknown>;
    topics.set(fields.topic, [...(topics.get(fields.topic) ?? []), kept]);
  }
  return topics;
}

/** By shard of the remote bus, its events in its order: by their places there, in the order in which the mirror has them. */
async function expectSame(mirror: { readonly log: MirrorLog }, remote: Pick<MirrorLog, 'read'>) {
  const [there, here] = [await allOf(remote), await allOf(mirror.log)];
  expect(here.length).toBe(there.length);
  expect(byTopic(here)).toEqual(byTopic(there));
  const places = new Map<string, Event[]>();
  for (const event of there) {
    const key = `${event.topic} ${event.id} ${event.timestamp}`;
    places.set(key, [...(places.get(key) ?? []), event]);
  }
  const last = new Map<number, number>();
  for (const { topic, id, timestamp } of here) {
    const { shard, sequence = 0 } = places.get(`${topic} ${id} ${timestamp}`)!.shift()!;
    expect(sequence).toBeGreaterThan(last.get(shard!) ?? 0);
    last.set(shard!, sequence);
  }
}

async function hasAll(mirror: Mirror, remote: Bus): Promise<boolean> {
  const { waiting } = await mirror.info();
  if (waiting > 0) return false;
  return (await allOf(mirror.log)).length === (await allOf(remote)).length;
}

async function mirrorOf(options: Omit<MirrorOptions, 'here' | 'there' | 'onError'>) {
  const mirror = await openMirror({ ...options, here: 'edge', there: 'hub', onError: () => {} });
  onTestFinished(() => mirror.close());
  return mirror;
}

const input = (n: number, topics = 4) => ({
  topic: `t.${n % topics}`,
  type: 'done',
  payload: { n },
});
const inputs = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => input(from + n));

describe('a mirror', () => {
  it('has the history of a remote bus and what comes, and brings its own publishes there', async () => {
    const hub = await openTestBus({ shards: 3 });
    const { url } = await hub.serve({ port: 0 });
    await hub.publishMany(inputs(500));
    await hub.publish({
      ...{ topic: 'odd', type: 'odd', payload: { text: 'ä', big: 1.5 }, source: 'me', id: 'own' },
      ...{ correlationId: 'run', causationId: 'cause', attributes: { a: '1' } },
    });
    const mirror = await mirrorOf({ dir: temporaryDirectory(), remote: { url } });
    const seen: Event[] = [];
    mirror.log.subscribe('own', (event) => void seen.push(event));
    await hub.publishMany(inputs(100, 500));
    const { id } = await mirror.publish({ topic: 'own', type: 'made', payload: 1 });
    await until('the own event has come back', () => seen.length === 1);
    await until('all has come', () => hasAll(mirror, hub));
    await expectSame(mirror, hub);
    expect(await hub.get('own', id)).toMatchObject({ attributes: { forwardedVia: 'edge' } });
    expect(await mirror.info()).toMatchObject({ head: 602, mirrored: 602, waiting: 0, gaps: 0 });
  });

  it('takes events that are larger than a bus takes by default', async () => {
    const hub = await openTestBus({ shards: 1, maxPayloadBytes: 4 * MIB });
    const { url } = await hub.serve({ port: 0 });
    await hub.publish({ topic: 't.0', type: 'large', payload: { text: 'x'.repeat(3 * MIB) } });
    await hub.publishMany(inputs(3));
    const mirror = await mirrorOf({ dir: temporaryDirectory(), remote: { url } });
    await until('all has come', () => hasAll(mirror, hub));
    await expectSame(mirror, hub);
  });

  it('takes publishes while the network is gone, also over a restart of its own', async () => {
    const hub = await openTestBus({ shards: 2 });
    const { port } = await hub.serve({ port: 0 });
    const proxy = await new FaultyProxy(port).listen();
    onTestFinished(() => proxy.close());
    const dir = temporaryDirectory();
    const options = { dir, remote: { url: `http://127.0.0.1:${proxy.port}` } };
    const first = await mirrorOf(options);
    await hub.publishMany(inputs(50));
    await until('all has come', () => hasAll(first, hub));
    proxy.become({ refuses: true });
    proxy.reset();
    await first.publishMany(inputs(40, 1000));
    await hub.publishMany(inputs(30, 50));
    await first.close();
    const second = await mirrorOf(options);
    await second.publishMany(inputs(40, 1040));
    expect((await second.info()).waiting).toBe(80);
    expect(await allOf(second.log)).toHaveLength(50);
    proxy.become();
    await until('all has come', () => hasAll(second, hub));
    await expectSame(second, hub);
    const own = (await allOf(hub)).filter(({ attributes }) => attributes?.forwardedVia === 'edge');
    const topics = [...byTopic(own).values()] as { payload: { n: number } }[][];
    for (const events of topics) {
      const numbers = events.map(({ payload }) => payload.n);
      expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    }
    expect(own).toHaveLength(80);
  });

  it('leaves out once what comes again after its position was lost, also where ids are the same', async () => {
    const hub = await openTestBus({ shards: 2, dedupeWindowMs: 0 });
    for (let n = 0; n < 60; n++) {
      await hub.publish({ topic: `t.${n % 3}`, type: 'a', payload: n, id: `id-${n % 5}` });
    }
    const dir = temporaryDirectory();
    const first = await mirrorOf({ dir, remote: hub });
    await until('all has come', () => hasAll(first, hub));
    await first.close();
    rmSync(join(dir, 'position.json'));
    await hub.publishMany(inputs(20));
    const second = await mirrorOf({ dir, remote: hub });
    await until('all has come', () => hasAll(second, hub));
    await expectSame(second, hub);
    expect((await second.info()).mirrored).toBe(20);
  });

  it('tells what the remote bus has removed, and what it does not know any more', async () => {
    const hub = await openTestBus({ shards: 1 });
    await hub.publishMany(inputs(20));
    const dir = temporaryDirectory();
    const first = await mirrorOf({ dir, remote: hub });
    await until('all has come', () => hasAll(first, hub));
    await first.close();
    await hub.publishMany(inputs(20, 20));
    await hub.prune({ pattern: '*', maxEvents: 5 });
    const gaps: unknown[] = [];
    const second = await mirrorOf({ dir, remote: hub, onGap: (gap) => gaps.push(gap) });
    await until('the rest has come', async () => (await allOf(second.log)).length === 25);
    expect(gaps).toMatchObject([{ reason: 'pruned', from: 21, to: 35 }]);
    await second.close();
    const other = await openTestBus({ shards: 1 });
    const third = await mirrorOf({ dir, remote: other });
    await expect(within('the end', third.closed)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  });

  it('is of one remote bus, and of the topics that it began with', async () => {
    const hub = await openTestBus({ dir: ':memory:' });
    const dir = temporaryDirectory();
    await hub.publish(input(1));
    const first = await mirrorOf({ dir, remote: hub, topics: ['t.*'] });
    await until('it has come', () => hasAll(first, hub));
    await expect(openMirror({ dir, remote: hub, here: 'a', there: 'hub' })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
    });
    await first.close();
    await expect(mirrorOf({ dir, remote: hub })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    writeFileSync(join(dir, 'position.json'), '{');
    await expect(mirrorOf({ dir, remote: hub })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  it.each([
    [{ dir: ':memory:' }, 'dir: has to be the path'],
    [{ remote: { url: 'nats://x:1' } }, 'a bus on a broker is opened first'],
    [{ remote: { url: 'http://x', other: 1 } }, 'a server has a url and a token'],
    [{ there: 'edge' }, 'as here is'],
    [{ here: 'a b' }, 'has to be a name'],
    [{ topics: [] }, 'names no topic'],
    [{ topics: 'a..b' }, 'topics'],
    [{ remote: undefined }, 'remote'],
  ])('is not opened with %o', async (wrong, why) => {
    const right = { dir: 'x', remote: { url: 'http://x' }, here: 'edge', there: 'hub' };
    await expect(openMirror({ ...right, ...wrong } as MirrorOptions)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(why),
    });
  });
});

const STORES = [
  {
    broker: 'NATS',
    isThere: natsServerPath !== undefined,
    async store() {
      const server = await NatsServer.start();
      onTestFinished(() => server.dispose());
      const store = natsStore({ servers: server.url, prefix: newPrefix(), shards: 2 });
      return { store, kill: () => server.kill(), start: () => server.start() };
    },
  },
  {
    broker: 'Redis',
    isThere: hasRedis,
    async store() {
      const server = await RedisServer.forTest();
      const store = redisStore({ url: server.url, prefix: 'hub' });
      return { store, kill: () => server.kill(), start: () => server.start() };
    },
  },
];

describe.each(STORES)('a mirror of a bus on $broker', ({ isThere, store }) => {
  it.skipIf(!isThere)('goes on through the death of the broker', async () => {
    const broker = await store();
    const hub = await openBus({ store: broker.store, onError: () => {} });
    onTestFinished(() => hub.close());
    await hub.publishMany(inputs(100));
    const mirror = await mirrorOf({ dir: temporaryDirectory(), remote: hub });
    await until('all has come', () => hasAll(mirror, hub));
    await broker.kill();
    await mirror.publishMany(inputs(60, 1000));
    await broker.start();
    await hub.publishMany(inputs(40, 100));
    await until('all has come', () => hasAll(mirror, hub));
    await expectSame(mirror, hub);
    expect(await allOf(mirror.log)).toHaveLength(200);
  });
});

describe('mirrors in processes that are killed', () => {
  it('lose and repeat nothing, whichever process dies', async () => {
    const hubDir = temporaryDirectory();
    let hub = await startServer(hubDir);
    const proxy = await new FaultyProxy(hub.port).listen();
    onTestFinished(() => proxy.close());
    const url = `http://127.0.0.1:${proxy.port}`;
    const dirs = [temporaryDirectory(), temporaryDirectory()];
    const begin = (at: number, mode: string) => {
      const args = [MIRRORER, ROOT, dirs[at]!, url, `edge-${at}`, mode];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      onTestFinished(() => void child.kill('SIGKILL'));
      return child;
    };
    const acked = new Set<string>();
    for (let round = 1; round <= 2; round++) {
      const children = dirs.map((_, at) => begin(at, 'go on'));
      const ends = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      const told = children.map(async (child, at) => {
        let count = 0;
        for await (const line of createInterface({ input: child.stdout })) {
          const [id, mirrored] = line.split(' ');
          acked.add(id!);
          count++;
          // In the midst of each round the network or the hub is gone for one of them.
          if (count === 20 && at === 0) proxy.reset();
          const hasMirrored = Number(mirrored) > 20;
          if (count >= 60 && hasMirrored) child.kill('SIGKILL');
        }
      });
      if (round === 2) {
        await hub.stop('SIGKILL');
        hub = await startServer(hubDir);
        proxy.target = hub.port;
      }
      await within('the round', Promise.all([...told, ...ends]), 60_000);
    }
    const last = dirs.map((_, at) => begin(at, 'drain'));
    for (const child of last) {
      await within(
        'the outbox is empty',
        new Promise((resolve) => child.stdout.once('data', resolve)),
      );
    }
    const { stdout } = await hub.run(['query', '*', '--limit', '10000', '--json']);
    const arrived = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id as string);
    expect(new Set(arrived).size).toBe(arrived.length);
    for (const child of last) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end('close\n');
      expect(await within('the close', ended)).toBe(0);
    }
    await hub.stop();
    const there = await openTestBus({ dir: hubDir });
    expect([...acked].filter((id) => !arrived.includes(id))).toEqual([]);
    for (const dir of dirs) {
      const mirror = await mirrorOf({ dir, remote: there });
      await until('all has come', () => hasAll(mirror, there));
      await expectSame(mirror, there);
    }
  });
});

type Step = 'publish' | 'remote' | 'cut' | 'heal' | 'restart';

describe('the outbox of a mirror', () => {
  const RUNS = 3;
  it(
    'property: brings each event once and in the order of its topic, however the network goes',
    async () => {
      const step = fc.constantFrom<Step>('publish', 'publish', 'remote', 'cut', 'heal', 'restart');
      const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), play);
      await holds(property, RUNS);
    },
    propertyTimeoutMs(RUNS),
  );
});

/** The model is the list of what was published here: each topic's part of it has to be in the remote bus. */
async function play(steps: readonly Step[]): Promise<void> {
  const hub = await openTestBus({ dir: ':memory:', shards: 2 });
  const { port } = await hub.serve({ port: 0 });
  const proxy = await new FaultyProxy(port).listen();
  const dir = temporaryDirectory();
  const options = {
    ...{ dir, remote: { url: `http://127.0.0.1:${proxy.port}` } },
    ...{ here: 'edge', there: 'hub', onError: () => {} },
  };
  let mirror = await openMirror(options);
  const model: { topic: string; n: number }[] = [];
  try {
    for (const [at, step] of steps.entries()) {
      if (step === 'publish') {
        const some = inputs(10, 10 * at);
        await mirror.publishMany(some);
        model.push(...some.map(({ topic, payload }) => ({ topic, n: payload.n })));
      } else if (step === 'remote') await hub.publishMany(inputs(10, 5000 + 10 * at));
      else if (step === 'restart') {
        await mirror.close();
        mirror = await openMirror(options);
      } else {
        proxy.become({ refuses: step === 'cut' });
        if (step === 'cut') proxy.reset();
      }
    }
    proxy.become();
    await until('all has come', () => hasAll(mirror, hub));
    const own = (await allOf(hub)).filter(({ attributes }) => attributes?.forwardedVia === 'edge');
    for (const topic of new Set(model.map((one) => one.topic))) {
      const sent = model.filter((one) => one.topic === topic).map(({ n }) => n);
      const found = own.filter((one) => one.topic === topic);
      expect(found.map(({ payload }) => (payload as { n: number }).n)).toEqual(sent);
    }
    await expectSame(mirror, hub);
  } finally {
    await mirror.close();
    await proxy.close();
    await closeTestBus(hub);
    removeDirectory(dir);
  }
}
