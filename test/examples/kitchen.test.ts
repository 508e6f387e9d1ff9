import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../fuzz/brokers/free-port.js';
import { temporaryDirectory } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { outcomeOf } from '../cli/support/command.js';
import { ROOT } from '../docs/samples.js';
import { NatsServer, natsServerPath } from '../stores/nats/support/server.js';
import { hasRedis, RedisServer } from '../stores/redis/redis-server.js';

/** `examples/kitchen`: two processes on a directory, on NATS and on Redis, with one line changed. */

const ORDERS = 40;
const TABLES = 5;

/** Returns a copy of the app in which `line` says where its events are kept, or the app as it is. */
function appOn(line?: string): string {
  const dir = temporaryDirectory();
  cpSync(join(ROOT, 'examples/kitchen'), dir, { recursive: true });
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(ROOT, join(dir, 'node_modules/millrace'));
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  if (line === undefined) return dir;
  const file = join(dir, 'bus.js');
  const lines = readFileSync(file, 'utf8').split('\n');
  const at = lines.findIndex((text) => text.startsWith('const STORE = '));
  lines[at] = line;
  writeFileSync(file, lines.join('\n'));
  return dir;
}

async function programs(dir: string) {
  const env = { ...process.env, KITCHEN_PORT: String(await freePort()) };
  return (...args: string[]): ChildProcessWithoutNullStreams => {
    const child = spawn(process.execPath, args, { cwd: dir, env });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
}

/** One evening, whose cook is killed after a few meals and replaced, and another one with the same cook. */
async function playEvenings(dir: string): Promise<void> {
  const start = await programs(dir);
  const counter = start('counter.js', String(ORDERS));
  const ended = within('the counter has all meals', outcomeOf(counter), 60_000);
  const lines = createInterface({ input: counter.stdout });
  let meals = 0;
  lines.on('line', (line) => (meals += line.includes('gets meal') ? 1 : 0));
  await new Promise((resolve) => lines.once('line', resolve));
  const first = start('cook.js');
  await until('the first meals are there', () => meals > 2);
  first.kill('SIGKILL');
  const cook = start('cook.js');
  const cooked = outcomeOf(cook);
  expectMeals(await ended);
  const again = start('counter.js', '3');
  expect((await within('the other evening', outcomeOf(again))).stdout).toContain('3 meals');
  cook.kill('SIGTERM');
  expect(await within('the cook goes', cooked)).toMatchObject({ code: 0, stdout: 'cooking\n' });
}

function expectMeals({ code, stdout, stderr }: Awaited<ReturnType<typeof outcomeOf>>): void {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [head, ...lines] = stdout.trimEnd().split('\n');
  expect(head).toMatch(new RegExp(`^${ORDERS} orders are (synced|written)$`));
  expect(lines.pop()).toBe(`${ORDERS} meals, each once, in the order of each table`);
  for (let table = 0; table < TABLES; table++) {
    const its = Array.from({ length: ORDERS / TABLES }, (_, n) => table + n * TABLES);
    const expected = its.map((number) => `table-${table} gets meal ${number}`);
    expect(lines.filter((line) => line.startsWith(`table-${table} `))).toEqual(expected);
  }
}

describe('examples/kitchen', () => {
  it('serves each meal once and in order, from a directory', () => playEvenings(appOn()), 120_000);

  it.runIf(natsServerPath !== undefined)(
    'and from NATS JetStream',
    async () => {
      const server = await NatsServer.start();
      await playEvenings(
        appOn(`const STORE = { store: millrace.natsStore({ servers: '${server.url}' }) };`),
      );
    },
    120_000,
  );

  it.runIf(hasRedis)(
    'and from Redis',
    async () => {
      const { port } = await RedisServer.start();
      await playEvenings(
        appOn(
          `const STORE = { store: millrace.redisStore({ url: 'redis://127.0.0.1:${port}' }) };`,
        ),
      );
    },
    120_000,
  );
});
