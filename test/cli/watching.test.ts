import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openBus } from '../bus/support/millrace.js';
import { until } from '../bus/support/wait.js';
import { SocketClient } from '../gateway/support/socket-client.js';
import { run, startServer, temporaryDirectory } from './support/command.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const objects = (text: string) => lines(text).map((line) => JSON.parse(line));

describe('topics and stats', () => {
  it('show the contents of a server, for a person and as JSON', async () => {
    const server = await startServer();
    const published = { b: 3, 'a.x': 1, 'a.y': 2 };
    for (const [topic, count] of Object.entries(published)) {
      await server.run(['pub', topic, '1', '--count', String(count)]);
    }
    const all = await server.run(['topics', '--json']);
    expect(objects(all.stdout).map(({ name, events }) => [name, events])).toEqual([
      ['a.x', 1],
      ['a.y', 2],
      ['b', 3],
    ]);
    const some = await server.run(['topics', 'a.*']);
    expect(lines(some.stdout).map((line) => line.split(/ +/)[0])).toEqual(['topic', 'a.x', 'a.y']);
    const stats = await server.run(['stats', '--json']);
    const [{ shards, ...totals }] = objects(stats.stdout);
    expect(totals).toMatchObject({ published: 6, delivered: 0, dropped: 0 });
    expect(shards[0]).toMatchObject({ shard: 0, state: 'running' });
    const readable = await server.run(['stats']);
    expect(readable.stdout).toMatch(/^published +6$/m);
    expect(readable.stdout).toMatch(/^shard +state /m);
  });

  it('list more topics than one frame holds', async () => {
    const server = await startServer();
    await server.run(['bench', '--topics', '12000', '--events', '12000']);
    const { stdout } = await server.run(['topics', '--json']);
    expect(new Set(objects(stdout).map(({ name }) => name)).size).toBe(12_000);
  });
});

describe('connections', () => {
  it('lists the clients of a server, and cuts one that does not come back by itself', async () => {
    const server = await startServer();
    const watching = await SocketClient.open(server.port);
    const listed = await server.run(['connections', '--json']);
    expect(objects(listed.stdout).map(({ kind }) => kind)).toEqual(['websocket', 'websocket']);
    const [{ id }] = objects(listed.stdout);
    const readable = await server.run(['connections']);
    expect(readable.stdout).toContain(`${id}  127.0.0.1  anonymous  websocket`);
    expect((await server.run(['connections', '--cut', id])).code).toBe(0);
    expect((await watching.closed).code).toBe(4000);
    const again = await server.run(['connections', '--cut', id]);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('there is no connection');
  });
});

describe('top', () => {
  it('prints a line for each refresh if there is no terminal', async () => {
    const server = await startServer();
    const args = ['top', '--count', '3', '--interval', '10ms'];
    const plain = await server.run(args);
    expect(plain.code).toBe(0);
    expect(lines(plain.stdout)).toHaveLength(3);
    expect(plain.stdout).toContain('published 0/s');
    const [first] = objects((await server.run([...args, '--json'])).stdout);
    expect(first.slow).toEqual([]);
    expect(first.rates).toEqual({
      published: 0,
      delivered: 0,
      dropped: 0,
      commits: 0,
      byShard: first.shards.map(() => 0),
    });
  });

  it('shows what durable consumers have to do, if there are any', async () => {
    const dir = temporaryDirectory();
    const bus = await openBus({ dir, shards: 1 });
    await bus.consumer('mailer', { filter: 'orders.*', from: 'earliest' });
    await bus.publish({ topic: 'orders.1', type: 'order', payload: 1 });
    await bus.close();
    const server = await startServer(dir);
    const look = () => server.run(['top', '--count', '1']);
    await until('it is counted', async () => (await look()).stdout.includes('consumers 1'));
    await until('its event is counted', async () => (await look()).stdout.includes('pending 1'));
    const { stdout } = await server.run(['top', '--count', '1', '--json']);
    expect(objects(stdout)[0].consumers).toMatchObject({ count: 1, pending: 1, dead: 0 });
  });

  it('shows payloads in files, as stats does, if there are any', async () => {
    const dir = temporaryDirectory();
    const bus = await openBus({ dir, shards: 1, claimCheckBytes: 16 * 1024 });
    const payload = 'x'.repeat(30_000);
    await bus.publish({ topic: 'large', type: 'large', payload });
    await bus.close();
    const server = await startServer(dir);
    const look = async (command: string) => (await server.run([command])).stdout;
    const topped = async () => (await server.run(['top', '--count', '1'])).stdout;
    await until('it is counted', async () =>
      (await topped()).includes('payload files 1  29.3 KiB'),
    );
    expect(await look('stats')).toMatch(/^payload files +1 {2}29\.3 KiB$/m);
  });

  it('fails when there is no server', async () => {
    const { code, stderr } = await run(['top', '-s', '127.0.0.1:1']);
    expect(code).toBe(1);
    expect(stderr).toContain('there is no server at http://127.0.0.1:1');
  });
});

describe('bench', () => {
  it('checks and times the events from a server', async () => {
    const server = await startServer();
    const shape = ['--events', '2000', '--topics', '7', '--subscribers', '3', '--json'];
    const { code, stdout } = await server.run(['bench', ...shape]);
    expect(code).toBe(0);
    const [outcome] = objects(stdout);
    expect(outcome).toMatchObject({ events: 2000, deliveries: 6000 });
    expect(outcome.deliveryMs.p50).toBeGreaterThan(0);
    const ephemeral = ['--events', '100', '--rate', '10000', '--no-persist'];
    expect((await server.run(['bench', ...ephemeral])).code).toBe(0);
    const topics = objects((await server.run(['topics', '--json'])).stdout);
    expect(topics.map(({ events }) => events).reduce((sum, n) => sum + n)).toBe(2000);
  });

  it('runs the engine in its own process, and leaves nothing behind', async () => {
    const cwd = temporaryDirectory();
    const { code, stdout } = await run(['bench', '--embedded', '--events', '3000'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain('delivered  3,000');
    expect(readdirSync(cwd)).toEqual([]);
    const kept = await run(['bench', '--embedded', '--dir', 'kept', '--events', '10'], { cwd });
    expect(kept.code).toBe(0);
    expect(existsSync(join(cwd, 'kept', 'shard-000.db'))).toBe(true);
  });

  it('refuses options that make no sense', async () => {
    expect((await run(['bench', '--dir', 'x'])).code).toBe(2);
    expect((await run(['bench', '--events', '0'])).code).toBe(2);
    expect((await run(['bench', '--rate', 'fast'])).code).toBe(2);
  });
});

describe('doctor', () => {
  it('finds this machine fit, and leaves nothing behind', async () => {
    const cwd = temporaryDirectory();
    const { code, stdout } = await run(['doctor', '--port', '0', '--json'], { cwd });
    expect(code).toBe(0);
    const checks = objects(stdout).map(({ check }) => check);
    expect(checks).toEqual([
      'node',
      'sqlite',
      'cores',
      'clock',
      'open files',
      'directory',
      'free space',
      'fsync',
      'port',
    ]);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('fails if the directory cannot be created', async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, 'file'), '');
    const { code, stdout, stderr } = await run(['doctor', '--dir', 'file', '--port', '0'], { cwd });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}directory/m);
    expect(stderr).toContain('1 check failed');
  });

  it('says that a port is taken', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, 'data'));
    const { code, stdout } = await run(['doctor', '--port', String(port)], { cwd });
    server.close();
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^warn {2}port +${port} on 127.0.0.1 is in use`, 'm'));
  });
});
