import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/index.js';
import type { SubscribeFrom } from '../../../src/protocol/subscribe-from.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { reshard } from '../../../src/store/upkeep/reshard.js';
import { restore } from '../../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../../support/small-disk.js';
import { controls } from '../support/millrace.js';
import { closeTestBus, errorsTold, openTestBus, temporaryDirectory } from '../support/open.js';
import { until, within } from '../support/wait.js';
import { callMain, knows, listConsumer } from './support/calls.js';

const killedInBetween = fileURLToPath(new URL('./support/killed-in-between.js', import.meta.url));

const topicIn = (shard: number): string => {
  for (let n = 0; ; n++) if (shardOf(`t.${n}`, 2) === shard) return `t.${n}`;
};
const namesOf = async (bus: Bus): Promise<string[]> => {
  const { consumers } = await callMain(bus, 'consumers', { names: null });
  return consumers.map(({ name }) => name);
};
const known = (bus: Bus, id: string) => Promise.all([knows(bus, 0, id), knows(bus, 1, id)]);

/** A closed directory with a consumer of `orders.*`, and so many open events of it that expire soon, and not before. */
async function directoryWithExpiring(count: number): Promise<string> {
  for (let ttlMs = 500; ; ttlMs *= 2) {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1 });
    await bus.consumer('mailer', { filter: 'orders.*', from: 'earliest' });
    const until = Date.now() + ttlMs;
    const order = { topic: 'orders.a', type: 'x', payload: null };
    for (let n = 0; n < count; n++) await bus.publish(order, { ttlMs });
    await closeTestBus(bus);
    if (Date.now() < until) return dir;
  }
}

describe('consumers of a directory', () => {
  it('are kept in a file that only its owner reads, and every shard knows them', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2 });
    const made = await listConsumer(bus, 'mailer', { filter: 'orders.*' });
    expect(await known(bus, made.id)).toEqual([true, true]);
    expect(statSync(join(dir, 'consumers.json')).mode & 0o777).toBe(0o600);
    await closeTestBus(bus);
    bus = await openTestBus({ dir });
    expect((await callMain(bus, 'consumers', { names: null })).consumers).toEqual([made]);
    expect(await known(bus, made.id)).toEqual([true, true]);
    await callMain(bus, 'alterConsumer', { id: made.id, change: { kind: 'delete' } });
    expect(await known(bus, made.id)).toEqual([false, false]);
    await closeTestBus(bus);
    bus = await openTestBus({ dir });
    expect(await namesOf(bus)).toEqual([]);
    expect(await known(bus, made.id)).toEqual([false, false]);
  });

  it('begin where they are told to', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2 });
    const event = (shard: number) => ({ topic: topicIn(shard), type: 'x', payload: null });
    for (const shard of [0, 1, 1]) await bus.publish(event(shard));
    const [, second] = await bus.query({ topic: topicIn(1) });
    const stored = (await bus.query({ topic: topicIn(1) }))[0]!.cursor!;
    await bus.publish(event(0));
    const froms: Record<string, SubscribeFrom> = {
      now: 'now',
      earliest: 'earliest',
      last: { last: 1 },
      since: { since: second!.timestamp },
      after: { after: stored },
    };
    for (const [name, from] of Object.entries(froms)) {
      await listConsumer(bus, name, { filter: 't.*', from });
    }
    const { consumers } = JSON.parse(readFileSync(join(dir, 'consumers.json'), 'utf8'));
    const positions = Object.fromEntries(
      (consumers as { name: string; positions: number[] }[]).map((one) => [
        one.name,
        one.positions,
      ]),
    );
    expect(positions).toMatchObject({ now: [2, 2], earliest: [0, 0], last: [1, 2] });
    expect(positions.after![1]).toBe(1);
    // Several events may have been recorded in one millisecond.
    expect(positions.since![1]).toBeLessThan(2);
    await expect(
      listConsumer(bus, 'wrong', { filter: 't.*', from: { after: 'x' } }),
    ).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
    expect(await namesOf(bus)).not.toContain('wrong');
  });

  it('are known to a thread that follows a dead one, whatever it was doing', async () => {
    const bus = await openTestBus({ shards: 2 });
    const before = await listConsumer(bus, 'before', { filter: 'a' });
    const killed = controls(bus).killShard(1);
    const made = listConsumer(bus, 'meanwhile', { filter: 'a' });
    await killed;
    expect(await known(bus, (await made).id)).toEqual([true, true]);
    expect(await known(bus, before.id)).toEqual([true, true]);
    await callMain(bus, 'alterConsumer', { id: before.id, change: { kind: 'delete' } });
    await controls(bus).killShard(0);
    expect(await known(bus, before.id)).toEqual([false, false]);
  });

  it('are whole after a process was killed between storing a change and telling the shards', async () => {
    const dir = temporaryDirectory();
    const child = spawn(process.execPath, [killedInBetween, dir], { stdio: 'inherit' });
    const [, signal] = await within('its end', once(child, 'exit'));
    expect(signal).toBe('SIGKILL');
    const bus = await openTestBus({ dir });
    const { consumers } = await callMain(bus, 'consumers', { names: null });
    expect(consumers.map(({ name }) => name)).toEqual(['first', 'second']);
    for (const { id } of consumers) expect(await known(bus, id)).toEqual([true, true]);
  });

  it('stand still while their list is damaged, and go on once it is mended', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 2 });
    const made = await listConsumer(bus, 'mailer', { filter: 'orders.*' });
    await closeTestBus(bus);
    const file = join(dir, 'consumers.json');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.slice(0, -20));
    expect([...verifyDirectory(dir)]).toMatchObject([
      { severity: 'error', file, message: 'it is not JSON' },
    ]);
    bus = await openTestBus({ dir });
    const fault = { code: 'STORE_CORRUPT', message: `${file}: it is not JSON` };
    expect(errorsTold(bus)).toMatchObject([fault]);
    await bus.publish({ topic: 'a', type: 'x', payload: null });
    await expect(namesOf(bus)).rejects.toMatchObject(fault);
    expect(await known(bus, made.id)).toEqual([false, false]);
    writeFileSync(file, whole);
    expect(await namesOf(bus)).toEqual(['mailer']);
    expect(await listConsumer(bus, 'mailer', { filter: 'orders.*' })).toEqual(made);
    expect(await known(bus, made.id)).toEqual([true, true]);
    expect([...verifyDirectory(dir)].filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('lose no event that expires while their list is damaged without learning of it', async () => {
    const dir = await directoryWithExpiring(3);
    const file = join(dir, 'consumers.json');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.slice(0, -20));
    const bus = await openTestBus({ dir });
    await until(
      'they are hidden',
      async () => (await bus.query({ topic: 'orders.a' })).length === 0,
    );
    // Each commit is a turn of the shard, and a turn removes what it may.
    for (let n = 0; n < 50; n++) await bus.publish({ topic: 'a', type: 'x', payload: n });
    expect((await bus.stats()).shards[0]!.expired).toBe(0);
    expect(errorsTold(bus)).toMatchObject([{ code: 'STORE_CORRUPT' }]);
    writeFileSync(file, whole);
    const mailer = await bus.consumer('mailer', { filter: 'orders.*' });
    await until('they are removed', async () => (await bus.stats()).shards[0]!.expired === 3);
    expect(await mailer.info()).toMatchObject({ expired: 3, lost: 0, pending: 0 });
  });

  it('go along with a backup and its restoration, and keep a directory from another number of shards', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2 });
    const made = await listConsumer(bus, 'mailer', { filter: 'orders.*' });
    const [copy, restored, resharded] = ['copy', 'restored', 'resharded'].map((name) =>
      join(temporaryDirectory(), name),
    ) as [string, string, string];
    await bus.backup(copy);
    restore(copy, restored);
    for (const one of [copy, restored]) {
      expect(statSync(join(one, 'consumers.json')).mode & 0o777).toBe(0o600);
      const opened = await openTestBus({ dir: one });
      expect((await callMain(opened, 'consumers', { names: null })).consumers).toEqual([made]);
      expect(await known(opened, made.id)).toEqual([true, true]);
      await closeTestBus(opened);
    }
    const refused = { code: 'OPTION_INVALID', details: { consumers: 1 } };
    expect(() => reshard({ from: restored, to: resharded, shards: 3 })).toThrow(
      expect.objectContaining({ ...refused, details: expect.objectContaining(refused.details) }),
    );
  });

  it('miss nothing if a log ends before the position at which they were made', async () => {
    const dir = temporaryDirectory();
    const copy = temporaryDirectory();
    const publish = (bus: Bus, count: number) =>
      bus.publishMany(
        Array.from({ length: count }, (_, n) => ({ topic: 'orders.1', type: 'x', payload: n })),
      );
    let bus = await openTestBus({ dir, shards: 1 });
    await publish(bus, 5);
    await closeTestBus(bus);
    cpSync(join(dir, 'shard-000.db'), join(copy, 'shard-000.db'));
    bus = await openTestBus({ dir });
    await publish(bus, 10);
    await bus.consumer('mailer', { filter: 'orders.*' });
    await closeTestBus(bus);
    for (const suffix of ['-wal', '-shm']) rmSync(`${dir}/shard-000.db${suffix}`, { force: true });
    cpSync(join(copy, 'shard-000.db'), join(dir, 'shard-000.db'));
    bus = await openTestBus({ dir });
    const [ack] = await publish(bus, 3);
    expect(ack!.sequence).toBe(6);
    const mailer = await bus.consumer('mailer');
    expect(await mailer.info()).toMatchObject({ pending: 3 });
    const taken = await mailer.pull({ max: 1, waitMs: 10_000 });
    expect(taken[0]!.event.sequence).toBe(6);
  });

  it('find a full disk: they stay as they were until there is room', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), async (disk) => {
      const bus = await openTestBus({ dir: join(disk, 'data'), shards: 1 });
      await bus.consumer('first', { filter: 'orders.*' });
      const filler = join(disk, 'filler');
      takeAllRoom(filler);
      const filter = Array.from({ length: 50 }, (_, n) => `${'x'.repeat(100)}.${n}`);
      const full = { code: 'STORE_FULL', message: expect.stringContaining('consumers.json') };
      await expect(bus.consumer('more', { filter })).rejects.toMatchObject(full);
      expect(await namesOf(bus)).toEqual(['first']);
      giveBack(filler, 256 * 1024);
      await bus.consumer('more', { filter });
      expect(await namesOf(bus)).toEqual(['first', 'more']);
      await closeTestBus(bus);
    });
  });

  it('live in the memory of a bus that has no directory', async () => {
    const bus = await openTestBus({ dir: ':memory:', shards: 2 });
    const made = await listConsumer(bus, 'mailer', { filter: 'orders.*' });
    expect(await known(bus, made.id)).toEqual([true, true]);
    expect(await namesOf(bus)).toEqual(['mailer']);
  });
});
