import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { PublishAck } from '../../src/protocol/event.js';
import { KIB, MIB } from '../../src/protocol/limits/units.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { record } from '../store/records.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../support/small-disk.js';
import { Collector, gather } from './support/collector.js';
import { expectBusError, refused } from './support/failures.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { expectSameHistory, expectWithoutHoles } from './support/oracle.js';
import { RemoteEndpoint } from './support/remote-endpoint.js';
import { until, within } from './support/wait.js';

/** No room: those publishes fail with STORE_FULL and leave nothing behind; with room again it goes on by itself. */
interface Outcome {
  readonly acks: PublishAck[];
  readonly errors: unknown[];
}

const input = (n: number, size = 2000) => ({
  topic: `t.${n % 3}`,
  type: 'chat_message',
  payload: { n, pad: 'x'.repeat(size) },
});

/** Publishes until the store is full, several at a time and at last one by one: one may fit where twenty do not. */
async function fill(bus: Bus, first = 0): Promise<Outcome> {
  const acks: PublishAck[] = [];
  const errors: unknown[] = [];
  for (let n = first, size = 20, failed = 0; failed !== 1 && n < first + 20_000; n += 20) {
    const outcomes = await within(
      'outcomes',
      Promise.allSettled(Array.from({ length: size }, (_, index) => bus.publish(input(n + index)))),
    );
    failed = outcomes.filter(({ status }) => status === 'rejected').length;
    if (failed > 0 && size > 1) {
      size = 1;
      failed = 0;
    }
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') acks.push(outcome.value);
      else errors.push(outcome.reason);
    }
  }
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) expectBusError(error, 'STORE_FULL');
  return { acks, errors };
}

/** Tries again until a publish is taken. */
async function publishUntilTaken(bus: Bus): Promise<PublishAck> {
  let ack: PublishAck | undefined;
  await until('room again', async () => {
    ack = await bus.publish(input(0, 10)).catch((error: unknown) => {
      expectBusError(error, 'STORE_FULL');
      return undefined;
    });
    return ack !== undefined;
  });
  return ack!;
}

describe('a shard that may not grow further', () => {
  test('refuses with STORE_FULL, keeps acknowledged events, and takes more when reopened with a higher limit', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1, maxShardBytes: 512 * KIB });
    const live = await Collector.start(bus, '*');
    const { acks } = await fill(bus);
    expectWithoutHoles(acks);
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'full');
    await live.count(acks.length);
    expectSameHistory(live.events, acks, 'live');
    const [shard] = (await bus.stats()).shards;
    expect(shard).toMatchObject({ state: 'running', restarts: 0, head: acks.length });
    expect(shard!.refused).toBeGreaterThan(0);
    await bus.close();
    bus = await openTestBus({ dir, maxShardBytes: 64 * MIB });
    const next = await bus.publish(input(0));
    expect(next.sequence).toBe(acks.length + 1);
    expectSameHistory(await gather(bus.read({ topic: '*' })), [...acks, next], 'reopened');
  });

  test('takes events again when retention has made room', async () => {
    const bus = await openTestBus({
      shards: 1,
      maxShardBytes: 1 * MIB,
      retention: [{ maxEvents: 50 }],
    });
    const acks: PublishAck[] = [];
    for (let round = 0; round < 40; round++) {
      const batch = Array.from({ length: 50 }, (_, n) => input(round * 50 + n));
      await until('room for a batch', async () => {
        const outcome = await bus.publishMany(batch).catch((error: unknown) => {
          expectBusError(error, 'STORE_FULL');
          return undefined;
        });
        acks.push(...(outcome ?? []));
        return outcome !== undefined;
      });
    }
    expect(acks).toHaveLength(2000);
  });

  test('refuses an attached worker too, and still delivers ephemeral events', async () => {
    const bus = await openTestBus({ shards: 1, maxShardBytes: 512 * KIB });
    const worker = await RemoteEndpoint.attach(bus);
    const { acks } = await fill(bus);
    await expect(
      within('the refusal', worker.publishMany([input(1), input(2)])),
    ).rejects.toMatchObject({ code: 'STORE_FULL' });
    const live = await Collector.start(bus, '*');
    await bus.publish(input(7, 10), { persist: false });
    await live.count(1);
    expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'full');
    await worker.terminate();
  });

  test('does not treat the id of a refused event as a repeat', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1, maxShardBytes: 512 * KIB });
    const { acks } = await fill(bus);
    const stored = [...acks];
    let order = { ...input(1), id: 'order-0' };
    // A single event may still fit where a batch did not.
    for (let n = 1; ; n++) {
      const outcome = await bus.publish(order).catch((error: unknown) => error);
      if (outcome instanceof Error) break;
      stored.push(outcome as PublishAck);
      order = { ...input(1), id: `order-${n}` };
    }
    await bus.close();
    bus = await openTestBus({ dir });
    const ack = await bus.publish(order);
    expect(ack).toMatchObject({ duplicate: false, sequence: stored.length + 1 });
    expectSameHistory(await gather(bus.read({ topic: '*' })), [...stored, ack], 'reopened');
  });
});

describe('a disk that is full', () => {
  test('gives STORE_FULL, and the bus goes on by itself once there is room', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), fillTheDisk);
  });

  test('refuses to open until the room that docs/OPERATIONS.md names is free', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), openOnFullDisk);
  });

  test('does not end a shard whose retention has events to remove: it makes room and goes on', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), retainOnFullDisk);
  });

  test('does not refuse a stored batch, even without room to copy it into the file', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), commitWithoutUpkeep, 24);
  });

  test('lets events be removed on demand, with the room kept in reserve', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), pruneOnFullDisk);
  });
});

async function fillTheDisk(directory: string): Promise<void> {
  const dir = join(directory, 'data');
  let bus = await openTestBus({ dir, shards: 1 });
  const ballast = join(directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(3 * MIB, 1));
  const reserve = join(directory, 'reserve');
  writeFileSync(reserve, Buffer.alloc(256 * KIB, 1));
  const live = await Collector.start(bus, '*');
  const first = await fill(bus);
  expectSameHistory(await gather(bus.read({ topic: '*' })), first.acks, 'full');
  rmSync(ballast);
  const next = await publishUntilTaken(bus);
  expect(next.sequence).toBe(first.acks.length + 1);
  const second = await fill(bus, 1_000_000);
  const acks = [...first.acks, next, ...second.acks];
  expectWithoutHoles(acks);
  await live.count(acks.length);
  expectSameHistory(live.events, acks, 'live');
  await bus.close();
  rmSync(reserve);
  bus = await openTestBus({ dir });
  expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'reopened');
  await bus.close();
}

/** Opens a bus on a full disk, on which each step frees more room. */
async function openOnFullDisk(directory: string): Promise<void> {
  const dir = join(directory, 'data');
  let bus = await openTestBus({ dir, shards: 2 });
  const acks: PublishAck[] = [];
  for (let n = 0; n < 300; n++) acks.push(await bus.publish(input(n)));
  await bus.close();
  for (const shard of ['000', '001']) rmSync(join(dir, `shard-${shard}.reserve`));
  const ballast = join(directory, 'ballast');
  takeAllRoom(ballast);
  const free = (bytes: number): void => giveBack(ballast, bytes);

  const refusal = await refused(() => openTestBus({ dir }), 'STORE_FULL');
  expect(refusal.details).toMatchObject({ file: expect.stringContaining('shard-00') });

  free(2 * 64 * KIB);
  bus = await openTestBus({ dir });
  expectSameHistory(await gather(bus.read({ topic: '*' })), acks, 'opened with little room');
  await refused(() => bus.prune({ maxEvents: 0 }), 'STORE_FULL');

  free(2 * MIB);
  await within('pruning', bus.prune({ maxEvents: 0 }));
  expect(await gather(bus.read({ topic: '*' }))).toEqual([]);
  const ack = await bus.publish(input(1));
  expect(ack.sequence).toBeGreaterThan(1);
  await bus.close();
}

async function fillWithEvents(bus: Bus): Promise<PublishAck[]> {
  const acks: PublishAck[] = [];
  for (let n = 0; n < 300; n += 20) {
    const inputs = Array.from({ length: 20 }, (_, index) => input(n + index));
    acks.push(...(await bus.publishMany(inputs)));
  }
  return acks;
}

async function retainOnFullDisk(directory: string): Promise<void> {
  const dir = join(directory, 'data');
  const bus = await openTestBus({ dir, shards: 1, retention: [{ maxAgeMs: 1000 }] });
  await fillWithEvents(bus);
  takeAllRoom(join(directory, 'ballast'));
  for (let n = 0; n < 3; n++) {
    // More at once than the last page has room for: it takes pages that retention has freed.
    await until('removals to make room', () =>
      bus.publishMany([input(1, 16_000), input(2, 16_000)]).then(
        () => true,
        (error: unknown) => {
          expectBusError(error, 'STORE_FULL');
          return false;
        },
      ),
    );
  }
  expect((await bus.stats()).shards[0]).toMatchObject({ state: 'running', restarts: 0 });
  rmSync(join(directory, 'ballast'));
  await publishUntilTaken(bus);
}

/** Without maintenance, checkpoints come only with commits. */
async function commitWithoutUpkeep(directory: string): Promise<void> {
  const log = new SqliteShardLog({ file: join(directory, 'shard-000.db'), shard: 0 });
  const payload = 'x'.repeat(60 * KIB);
  let committed = 0;
  for (let failures = 0; failures < 20; ) {
    log.append(record({ payload }), 0, Date.now());
    try {
      log.commit(true, []);
      committed++;
    } catch (error) {
      expectBusError(error, 'STORE_FULL');
      failures++;
    }
    expect(log.head).toBe(committed);
  }
  expect(committed).toBeGreaterThan(20);
  log.close();
}

async function pruneOnFullDisk(directory: string): Promise<void> {
  const bus = await openTestBus({ dir: join(directory, 'data'), shards: 1 });
  const acks = await fillWithEvents(bus);
  takeAllRoom(join(directory, 'ballast'));
  await fill(bus, 1000);
  const { events } = await within('pruning', bus.prune({ maxEvents: 0 }));
  expect(events).toBeGreaterThanOrEqual(acks.length);
  const again = await fill(bus, 2000);
  expect(again.acks.length).toBeGreaterThan(0);
  expectSameHistory(await gather(bus.read({ topic: '*' })), again.acks, 'after the removal');
  expect((await bus.stats()).shards[0]).toMatchObject({ state: 'running', restarts: 0 });
}
