import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask } from '../gateway/consumers/support.js';
import { run, startServer, type TestServer, temporaryDirectory } from './support/command.js';

/** `serve --shard-by-segments`, and the setting of the config file. */

/** Each test runs several processes one after the other. */
const MANY_PROCESSES_MS = 300_000;

async function shardOf(server: TestServer, topic: string): Promise<number> {
  const event = { topic, type: 'note', payload: 1 };
  const { status, body } = await ask(server.url, 'POST', '/v1/events', event);
  expect(status).toBe(200);
  return body[0].shard;
}

it('keeps the topics of one first segment in one shard, also when the directory is served again', {
  timeout: MANY_PROCESSES_MS,
}, async () => {
  const dir = join(temporaryDirectory(), 'data');
  const first = await startServer(dir, ['--shards', '4', '--shard-by-segments', '1']);
  const shards = new Map<string, number>();
  for (const customer of ['acme', 'bolt', 'coal', 'dust', 'elm']) {
    const own = [await shardOf(first, `${customer}.new`), await shardOf(first, `${customer}.a.b`)];
    expect(own[0]).toBe(own[1]);
    shards.set(customer, own[0]!);
  }
  expect(new Set(shards.values()).size).toBeGreaterThan(1);
  const group = ['acme.x', 'acme.y', 'acme.z'].map((topic) => ({ topic, type: 'x', payload: 1 }));
  expect(await ask(first.url, 'POST', '/v1/events?atomic=true', group)).toMatchObject({
    status: 200,
  });
  expect(await first.stop()).toBe(0);
  const again = await startServer(dir);
  for (const [customer, shard] of shards)
    expect(await shardOf(again, `${customer}.later`)).toBe(shard);
  expect(await again.stop()).toBe(0);
  const other = await run(['serve', '--dir', dir, '--port', '0', '--shard-by-segments', '2']);
  expect(other.code).toBe(1);
  expect(other.stderr).toContain('SHARD_BY_MISMATCH');
  const to = join(temporaryDirectory(), 'copy');
  expect((await run(['reshard', dir, '--shards', '3', '--to', to])).code).toBe(0);
  const copy = await startServer(to, ['--shard-by-segments', '1']);
  expect(await shardOf(copy, 'acme.new')).toBe(await shardOf(copy, 'acme.old'));
});

it('is a setting of the config file, and takes whole numbers from 1 to 16', {
  timeout: MANY_PROCESSES_MS,
}, async () => {
  const dir = temporaryDirectory();
  const config = join(dir, 'c.json');
  writeFileSync(config, JSON.stringify({ shards: 4, shardBySegments: 1 }));
  const server = await startServer(join(dir, 'data'), ['--config', config]);
  for (const customer of ['acme', 'bolt', 'coal']) {
    expect(await shardOf(server, `${customer}.a`)).toBe(await shardOf(server, `${customer}.b`));
  }
  for (const segments of ['0', '17', '1.5', 'all']) {
    const args = ['serve', '--dir', join(dir, 'x'), '--port', '0', '--shard-by-segments', segments];
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }, segments).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('--shard-by-segments');
  }
});
