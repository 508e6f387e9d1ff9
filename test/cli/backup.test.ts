import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/sqlite/driver/driver.js';
import { run, startServer, type TestServer, temporaryDirectory } from './support/command.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const objects = (text: string) => lines(text).map((line) => JSON.parse(line));

async function publish(server: TestServer, topic: string, count: number): Promise<void> {
  const input = Array.from({ length: count }, (_, n) => String(n)).join('\n');
  expect((await server.run(['pub', topic, '-'], { input })).code).toBe(0);
}

async function events(server: TestServer, topic = '*'): Promise<unknown[]> {
  const { stdout } = await server.run(['query', topic, '--limit', '100000', '--json']);
  return objects(stdout).map(({ id }) => id);
}

/** A server with 200 events, and where its backups go. */
async function servedWithEvents(): Promise<{ server: TestServer; to: string; restored: string }> {
  const base = temporaryDirectory();
  const server = await startServer(join(base, 'data'), ['--shards', '2']);
  await publish(server, 'a', 100);
  await publish(server, 'b', 100);
  return { server, to: join(base, 'backup'), restored: join(base, 'restored') };
}

describe('backup and restore', () => {
  it('copy the events of a server while it is being published to, into a new history', async () => {
    const { server, to, restored } = await servedWithEvents();
    const [taken] = await Promise.all([
      server.run(['backup', to, '--json']),
      publish(server, 'a', 500),
    ]);
    expect(taken.code).toBe(0);
    const [backup] = objects(taken.stdout);
    const heads: number[] = backup.heads;
    const count = heads.reduce((sum, head) => sum + head);
    expect(count).toBeGreaterThanOrEqual(200);
    expect((await run(['verify', to])).code).toBe(0);

    const outcome = await run(['restore', to, '--to', restored, '--json']);
    expect(outcome.code).toBe(0);
    const [restore] = objects(outcome.stdout);
    expect(restore).toMatchObject({ dir: restored, from: backup.epoch, heads });
    expect(restore.epoch).not.toBe(backup.epoch);
    expect((await run(['verify', restored])).code).toBe(0);
    const before = new Set(await events(server));
    const copy = await startServer(restored);
    const there = await events(copy);
    expect(there).toHaveLength(count);
    expect(there.filter((id) => !before.has(id))).toEqual([]);

    // The backup's cursor goes on in the copy; what was published after the backup is no part of it.
    await publish(copy, 'c', 3);
    const rest = await copy.run(['query', '*', '--after', backup.cursor, '--json']);
    expect(objects(rest.stdout).map(({ topic }) => topic)).toEqual(['c', 'c', 'c']);
  });

  it('report a gap to a subscriber of the later history', async () => {
    const base = temporaryDirectory();
    const server = await startServer(join(base, 'data'), ['--shards', '1']);
    await publish(server, 'a', 10);
    expect((await server.run(['backup', join(base, 'b')])).code).toBe(0);
    await publish(server, 'a', 10);
    const seen = await server.run(['sub', 'a', '--from', 'earliest', '--count', '20']);
    const cursor = /after:(\S+)/.exec(seen.stderr)?.[1];
    expect((await run(['restore', join(base, 'b'), '--to', join(base, 'r')])).code).toBe(0);
    const copy = await startServer(join(base, 'r'));
    await publish(copy, 'a', 1);
    const args = ['sub', 'a', '--from', `after:${cursor}`, '--count', '1', '--json'];
    const { code, stdout, stderr } = await copy.run(args);
    expect(code).toBe(0);
    expect(objects(stdout)).toMatchObject([{ sequence: 11 }]);
    expect(stderr).toContain('events 11 to 20 of shard 0 are missing: rolled-back');
  });

  it('work on a directory that no server has open, and only on such', async () => {
    const { server, to } = await servedWithEvents();
    const locked = await run(['backup', to, '--dir', server.dir]);
    expect(locked.code).toBe(1);
    expect(locked.stderr).toContain('STORE_LOCKED');
    await server.stop();
    const { code, stdout } = await run(['backup', to, '--dir', server.dir, '--json']);
    expect(code).toBe(0);
    expect(objects(stdout)[0].heads.reduce((a: number, b: number) => a + b)).toBe(200);
    expect((await run(['backup', `${to}2`, '--dir', to.replace('backup', 'none')])).code).toBe(2);
  });

  it('refuse a target that is not empty, a source that is no backup, and a damaged one', async () => {
    const { server, to, restored } = await servedWithEvents();
    expect((await server.run(['backup', server.dir])).code).toBe(2);
    expect((await server.run(['backup', to])).code).toBe(0);
    expect((await run(['restore', temporaryDirectory(), '--to', restored])).code).toBe(2);
    expect((await run(['restore', to, '--to', server.dir])).code).toBe(2);
    expect((await run(['restore', to])).code).toBe(2);
    const database = openDatabase(join(to, 'shard-000.db'));
    database.exec('UPDATE events SET payload = CAST(\'"other"\' AS BLOB) WHERE sequence = 1');
    database.close();
    const damaged = await run(['restore', to, '--to', restored]);
    expect(damaged.code).toBe(1);
    expect(damaged.stderr).toMatch(/shard-000\.db.*\(STORE_CORRUPT\)/);
    expect(existsSync(restored)).toBe(false);
  });
});

describe('prune', () => {
  it('removes the oldest matching events, through the server', async () => {
    const { server } = await servedWithEvents();
    const newest = (await events(server, 'a')).slice(-10);
    // Each of the two shards keeps an equal share, and one topic is in one of them.
    const args = ['prune', '--pattern', 'a', '--max-events', '20', '--json'];
    const { code, stdout, stderr } = await server.run(args);
    expect(code).toBe(0);
    expect(objects(stdout)[0]).toMatchObject({ events: 90 });
    expect(stderr).toContain('removed 90 events');
    expect(await events(server, 'a')).toEqual(newest);
    expect(await events(server, 'b')).toHaveLength(100);
  });

  it('works on a directory that no server has open', async () => {
    const { server } = await servedWithEvents();
    const args = ['prune', '--dir', server.dir, '--before', '2999-01-01'];
    const locked = await run(args);
    expect(locked.code).toBe(1);
    expect(locked.stderr).toContain('STORE_LOCKED');
    await server.stop();
    const { code, stderr } = await run(args);
    expect(code).toBe(0);
    expect(stderr).toContain('removed 200 events');
    expect((await run(['verify', server.dir])).code).toBe(0);
  });

  it('needs a limit', async () => {
    const server = await startServer();
    for (const args of [
      [],
      ['--max-events', '-1'],
      ['--before', 'soon'],
      ['--pattern', 'a*b', '--max-events', '1'],
    ]) {
      const { code, stdout } = await server.run(['prune', ...args]);
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 2, stdout: '' });
    }
  });
});
