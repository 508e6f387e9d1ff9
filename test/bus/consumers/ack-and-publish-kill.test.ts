import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { gather } from '../support/collector.js';
import { openTestBus, temporaryDirectory } from '../support/open.js';
import { within } from '../support/wait.js';

/** Processes that work a pipeline of jobs and are killed in the middle of it. */

const pipeline = fileURLToPath(new URL('./support/pipeline.js', import.meta.url));
const JOBS = 3000;
const KILLS = 8;

/** A process that is killed once so many jobs are done; returns those that it was told are done. */
async function live(dir: string, jobs: number, last: number): Promise<number[]> {
  const child = spawn(process.execPath, [pipeline, dir, String(jobs), String(last)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const told: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(Number(line));
  }
  const [, signal] = await within('its end', exited);
  expect(signal).toBe('SIGKILL');
  return told;
}

/** How often each number is there. */
function counts(numbers: readonly number[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const n of numbers) found.set(n, (found.get(n) ?? 0) + 1);
  return found;
}

test('each job has one follow-up if it is done and none if not, however often the process is killed', async () => {
  const dir = temporaryDirectory();
  const told: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const last = 1 + Math.floor(Math.random() * 250);
    told.push(...(await live(dir, kill === 0 ? JOBS : 0, last)));
  }
  const bus = await openTestBus({ dir, shards: 2, shardBy: { segments: 1 } });
  const consumer = await bus.consumer('pipeline');
  const outOf = async () =>
    (await gather(bus.read<number>({ topic: '*' })))
      .filter(({ topic }) => topic.endsWith('.out'))
      .map(({ payload }) => payload);
  const followed = await outOf();
  expect(Math.max(...counts(followed).values())).toBe(1);
  expect(Math.max(...counts(told).values())).toBe(1);
  expect(told.filter((n) => !followed.includes(n))).toEqual([]);
  // What is left is what has no follow-up, each once.
  const left: number[] = [];
  for (let some = await consumer.pull({ max: 100 }); some.length > 0; ) {
    left.push(...some.map(({ event }) => event.payload as number));
    await Promise.all(some.map((delivery) => delivery.ack()));
    some = await consumer.pull({
      max: 100,
      waitMs: left.length + followed.length < JOBS ? 20_000 : 0,
    });
  }
  expect(left.length).toBeGreaterThan(0);
  const all = [...followed, ...left].sort((a, b) => a - b);
  expect(all).toEqual(Array.from({ length: JOBS }, (_, n) => n));
}, 180_000);
