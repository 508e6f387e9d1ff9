import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../bus/support/wait.js';
import { run, startServer, startServing, temporaryDirectory } from '../cli/support/command.js';
import { connectTo } from '../client/support/millrace-client.js';
import { NatsServer, natsServerPath } from '../stores/nats/support/server.js';
import { blocksOf, ROOT } from './samples.js';

/** The move from a directory to a broker, with the commands and the program of docs/SCALING.md. */

const PAGE = 'docs/SCALING.md';
const TOPICS = 5;

/** The page's commands of the move, with the places of this test in the place of the page's. */
function commands(places: Readonly<Record<string, string>>): string[][] {
  const lines = blocksOf(PAGE, '').flatMap(({ text }) => text.split('\n'));
  const moving = lines.filter((line) => /millrace (backup|copy|serve .*keys)/.test(line));
  return moving.map((line) =>
    line
      .trim()
      .replaceAll("'", '')
      .split(' ')
      .slice(1)
      .map((word) => places[word] ?? word),
  );
}

function program(old: string, next: string): string {
  const [block] = blocksOf(PAGE, 'js').filter(({ text }) => text.includes("consumer('moving'"));
  return block!.text.replace('http://old:4000', old).replace('http://new:4000', next);
}

it.runIf(natsServerPath !== undefined)('a bus moves to a broker while it is used', async () => {
  const broker = await NatsServer.start();
  onTestFinished(() => broker.dispose());
  const old = await startServer();
  const { client } = connectTo(old.url);
  const sent: number[] = [];
  const publish = (to: typeof client, n: number) =>
    to.publish({ topic: `t.${n % TOPICS}`, type: 'done', payload: n }).then(() => sent.push(n));
  for (let n = 0; n < 100; n++) await publish(client, n);

  const backup = join(temporaryDirectory(), 'backup');
  const store = `nats://${broker.url}`;
  const [takeBackup, copy, serve] = commands({
    '/backup': backup,
    'http://old:4000': old.url,
    'nats://nats-1:4222?replicas=3': store,
  });
  expect((await run(takeBackup!)).code).toBe(0);
  // What is published between the steps comes by the forwarding.
  for (let n = 100; n < 150; n++) await publish(client, n);
  expect((await run(copy!)).code).toBe(0);
  const cursorOf = `JSON.parse(require("fs").readFileSync("${backup}/manifest.json", "utf8")).backup.cursor`;
  const cursor = await outputOf(['-p', cursorOf], tmpdir());
  expect(serve).toContain(store);
  const next = await startServing(['--store', store]);

  const app = mkdtempSync(join(tmpdir(), 'millrace-move-'));
  onTestFinished(() => rmSync(app, { recursive: true, force: true }));
  mkdirSync(join(app, 'node_modules'));
  symlinkSync(ROOT, join(app, 'node_modules', 'millrace'), 'dir');
  writeFileSync(join(app, 'move.mjs'), program(old.url, next.url));
  const mover = spawn(process.execPath, ['move.mjs', cursor.trim()], {
    cwd: app,
    stdio: 'inherit',
    // These servers ask for no token, and take any.
    env: { ...process.env, OLD_TOKEN: 'any', NEW_TOKEN: 'any' },
  });
  onTestFinished(() => void mover.kill('SIGKILL'));
  for (let n = 150; n < 200; n++) await publish(client, n);
  await until('the consumer has no lag', async () => {
    const { stdout } = await old.run(['consumers', 'list', '--json']);
    if (stdout.trim() === '') return false;
    const { name, pending } = JSON.parse(stdout);
    return name === 'moving' && pending === 0;
  });
  const { client: there } = connectTo(next.url);
  for (let n = 200; n < 250; n++) await publish(there, n);

  const found = await there.query({ topic: '*', limit: 1000 });
  expect(found).toHaveLength(sent.length);
  for (let topic = 0; topic < TOPICS; topic++) {
    const numbers = found.filter((event) => event.topic === `t.${topic}`);
    const expected = sent.filter((n) => n % TOPICS === topic);
    expect(numbers.map(({ payload }) => payload)).toEqual(expected);
  }
});

async function outputOf(args: readonly string[], cwd: string): Promise<string> {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return text;
}
