import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Event } from '../../src/protocol/event.js';
import { reshard } from '../../src/store/upkeep/reshard.js';
import { restore } from '../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../src/store/upkeep/verify.js';
import { Collector, gather } from './support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

/** Compaction that a kill, a backup or a reshard meets at any place leaves the newest events of each topic. */
const child = fileURLToPath(new URL('./support/compacting-child.mjs', import.meta.url));
const KEEP = 2;
/** `MILLRACE_KILLS=32` plays longer. */
const KILLS = Number(process.env.MILLRACE_KILLS ?? 2);
const KILLS_PER_LOOK = Math.min(8, Math.ceil(KILLS / 2));
/** How long the last and longest life is, ms; the others are spread below it. */
const LIFE_MS = 350;
/** Ends a test that has failed already, on a machine with other work too. */
const DEADLINE_MS = 90_000;
const TIMEOUT_MS = 120_000 + KILLS * 10_000;
const RETENTION = [
  { pattern: 'state.*', keepPerTopic: KEEP },
  { pattern: 'work.*', keepPerTopic: 1, untilConsumedBy: ['worker'] },
];

interface Life {
  readonly dir: string;
  readonly told: string;
  readonly done: string;
}

/** A process that opens the directory, publishes and compacts, and is killed somewhere in its work. */
async function live({ dir, told, done }: Life, life: number, ms: number): Promise<void> {
  const process_ = spawn(process.execPath, [child, dir, told, done, String(life)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(process_, 'exit');
  const opened = once(process_.stdout, 'data');
  await within('it is open, or has failed', Promise.race([opened, exited]), DEADLINE_MS);
  // Not a wait for anything: the length of its life, which ends wherever it is then.
  await new Promise((resolve) => setTimeout(resolve, ms));
  process_.kill('SIGKILL');
  const [, signal] = await within('its end', exited, DEADLINE_MS);
  expect(signal).toBe('SIGKILL');
}

/** The words of each line of a report. A line without a full stop was cut off by a kill. */
function linesOf(file: string): string[][] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line.endsWith(' .')).map((line) => line.split(' ').slice(0, -1));
}

/** The numbers that were acknowledged, by topic. */
function toldOf(file: string): Map<string, number[]> {
  const byTopic = new Map<string, number[]>();
  for (const [topic, number] of linesOf(file)) {
    const numbers = byTopic.get(topic!);
    if (numbers === undefined) byTopic.set(topic!, [Number(number)]);
    else numbers.push(Number(number));
  }
  return byTopic;
}

function numbersOf(events: readonly Event[]): Map<string, number[]> {
  const byTopic = new Map<string, number[]>();
  for (const { topic, payload } of events) {
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), payload as number]);
  }
  return byTopic;
}

/**
 * What is left of each topic are its newest events, without a hole: at least as many as the rule keeps, and of those that
 * were acknowledged all from the first on that is left. An event that was not acknowledged may be there, too.
 */
function expectNewest(events: readonly Event[], told: ReadonlyMap<string, number[]>): void {
  const found = numbersOf(events);
  for (const [topic, numbers] of told) {
    if (!topic.startsWith('state.')) continue;
    const left = found.get(topic) ?? [];
    expect(left).toEqual([...left].sort((a, b) => a - b));
    expect(left.length).toBeGreaterThanOrEqual(Math.min(KEEP, numbers.length));
    const there = new Set(left);
    const missing = numbers.filter((number) => number >= left[0]! && !there.has(number));
    expect([topic, missing]).toEqual([topic, []]);
  }
}

/** Readers from the start and from an earlier cursor are told of no gap. @returns the cursor at the end */
async function expectNoGap(bus: Bus, cursor: string | undefined): Promise<string> {
  const froms = cursor === undefined ? (['earliest'] as const) : ['earliest', { after: cursor }];
  let last = '';
  for (const from of froms as ('earliest' | { after: string })[]) {
    const reader = await Collector.start(bus, 'state.*', { from });
    await until('it has caught up', () => reader.caughtUp.length > 0);
    expect(reader.gaps).toEqual([]);
    last = reader.subscription.cursor;
    await reader.subscription.unsubscribe();
  }
  return last;
}

/** Every event that a reader of the directory finds; nothing is compacted meanwhile. */
async function eventsOf(dir: string, act?: (bus: Bus) => Promise<unknown>): Promise<Event[]> {
  const bus = await openTestBus({ dir });
  const events = await gather(bus.read({ topic: '*' }));
  await act?.(bus);
  await closeTestBus(bus);
  return events;
}

const WORKER = { filter: 'work.*', from: 'earliest', leaseMs: 60_000 } as const;

/** Reads a copy of what a killed process has left, and a reshard of it. */
async function expectNewestIn(dir: string, told: ReadonlyMap<string, number[]>): Promise<void> {
  expect([...verifyDirectory(dir)]).toEqual([]);
  const copy = join(temporaryDirectory(), 'copy');
  cpSync(dir, copy, { recursive: true });
  // A reshard takes no consumer along.
  const forget = async (bus: Bus): Promise<unknown> =>
    (await bus.consumer('worker', WORKER)).delete();
  expectNewest(await eventsOf(copy, forget), told);
  const to = join(temporaryDirectory(), 'other');
  reshard({ from: copy, to, shards: 3 });
  expect([...verifyDirectory(to)]).toEqual([]);
  expectNewest(await eventsOf(to), told);
}

describe('a process that is killed while it compacts', () => {
  test(
    'leaves the newest of each topic, tells nobody of a gap, and robs no consumer',
    async () => {
      const dir = temporaryDirectory();
      const files = {
        dir,
        told: join(temporaryDirectory(), 'told'),
        done: join(temporaryDirectory(), 'done'),
      };
      let cursor: string | undefined;
      for (let kill = 0; kill < KILLS; kill++) {
        await live(files, kill, Math.floor((LIFE_MS * (kill + 1)) / KILLS));
        if ((kill + 1) % KILLS_PER_LOOK !== 0) continue;
        await expectNewestIn(dir, toldOf(files.told));
        const bus = await openTestBus({ dir, retention: RETENTION });
        cursor = await expectNoGap(bus, cursor);
        await closeTestBus(bus);
      }
      await expectAllDone(files);
    },
    TIMEOUT_MS,
  );

  /** What was acknowledged as work comes to the consumer, in whatever life. */
  async function expectAllDone({ dir, told, done }: Life): Promise<void> {
    const bus = await openTestBus({ dir, retention: RETENTION });
    const worker = await bus.consumer('worker', {
      filter: 'work.*',
      from: 'earliest',
      update: true,
    });
    const seen = new Set(linesOf(done).map(([number]) => Number(number)));
    const running = worker.run(({ event }) => void seen.add(event.payload as number));
    await until('all work is done', async () => (await worker.info()).pending === 0, DEADLINE_MS);
    await running.stop();
    expect((await worker.info()).lost).toBe(0);
    const work = [...toldOf(told)].filter(([topic]) => topic.startsWith('work.'));
    expect(work.flatMap(([, numbers]) => numbers.filter((number) => !seen.has(number)))).toEqual(
      [],
    );
    expect(work.length).toBeGreaterThan(0);
  }
});

const TOPICS = Array.from({ length: 60 }, (_, n) => `state.${n}`);

test('a backup during compaction has the newest of each topic', async () => {
  const bus = await openTestBus({ shards: 2, retention: RETENTION });
  const told = new Map<string, number[]>(TOPICS.map((topic) => [topic, []]));
  let number = 0;
  let rounds = 0;
  let isRunning = true;
  onTestFinished(() => void (isRunning = false));
  const publishing = (async () => {
    for (; isRunning; rounds++) {
      const inputs = [...TOPICS, ...TOPICS, ...TOPICS, ...TOPICS].map((topic) => {
        return { topic, type: 'state_updated', payload: number++ };
      });
      await bus.publishMany(inputs, { durability: 'written' });
      for (const { topic, payload } of inputs) told.get(topic)!.push(payload);
    }
  })();
  publishing.catch(() => {});
  let surplus = 0;
  for (let copies = 0; copies < 3 || surplus === 0; copies++) {
    const before = rounds;
    await until('the publisher goes on', () => rounds > before + 2);
    const acked = new Map([...told].map(([topic, numbers]) => [topic, [...numbers]]));
    const to = join(temporaryDirectory(), 'copy');
    await bus.backup(to);
    const target = join(temporaryDirectory(), 'restored');
    restore(to, target);
    expect([...verifyDirectory(target)]).toEqual([]);
    const events = await eventsOf(target);
    expectNewest(events, acked);
    surplus += events.length - TOPICS.length * KEEP;
  }
  isRunning = false;
  await publishing;
}, 120_000);
