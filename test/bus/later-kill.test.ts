import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

const child = fileURLToPath(new URL('./support/later-child.mjs', import.meta.url));
const KILLS = 12;
const WAITING = 250;

/** A process that opens the directory and is killed somewhere in its work. */
async function live(dir: string, args: readonly string[], ms: number): Promise<void> {
  const process_ = spawn(process.execPath, [child, dir, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(process_, 'exit');
  await within('it is open', once(process_.stdout, 'data'));
  // Not a wait for anything: the length of its life, which ends wherever it is then.
  await new Promise((resolve) => setTimeout(resolve, ms));
  process_.kill('SIGKILL');
  const [, signal] = await within('its end', exited);
  expect(signal).toBe('SIGKILL');
}

test('what is due becomes an event once, however often the process is killed', async () => {
  const dir = temporaryDirectory();
  const startAt = Date.now() + 1500;
  for (let kill = 0; kill < KILLS; kill++) {
    const args = kill === 0 ? ['first', String(WAITING), String(startAt)] : ['again'];
    await live(dir, args, 40 + ((kill * 137) % 300));
  }
  const bus = await openTestBus({ dir });
  await until('nothing waits', async () => (await bus.scheduled()).publishes.length === 0, 20_000);
  const later = await gather(bus.read({ topic: 'later.*' }));
  const numbers = later.map(({ payload }) => payload as number).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: WAITING }, (_, n) => n));
  for (const name of ['tick-a', 'tick-b']) {
    const { fired, lastAt } = await bus.schedules.pause(name);
    const ticks = await gather(bus.read({ topic: name.replace('-', '.') }));
    const due = ticks.map(({ attributes }) => Date.parse(attributes!.dueAt!));
    expect(due.length).toBeGreaterThan(3);
    expect(due).toEqual(due.map((_, index) => due[0]! + index * 1000));
    expect([fired, Date.parse(lastAt!)]).toEqual([due.length, due.at(-1)]);
  }
}, 120_000);
