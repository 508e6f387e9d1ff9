import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Bus, BusOptions, Event } from '../../src/index.js';
import { KIB } from '../../src/protocol/limits/units.js';
import { memoryBroker } from '../testing/subjects.js';
import { Collector, gather } from './support/collector.js';
import { refused } from './support/failures.js';
import { openBus } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

/** As built: they start no thread, but load the addon that the bus has loaded. */
const { restore }: typeof import('../../src/store/upkeep/restore.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/restore.js', import.meta.url).href
);
const { verifyDirectory }: typeof import('../../src/store/upkeep/verify.js') = await import(
  /* @vite-ignore */ new URL('../../dist/store/upkeep/verify.js', import.meta.url).href
);
const publisher = fileURLToPath(new URL('./support/large-publisher.mjs', import.meta.url));

const OVER = 16 * KIB;

/** Of sizes around the limit, some equal. */
function inputOf(n: number) {
  const mark = n % 5 === 0 ? 'one of many' : `only ${n} é`;
  return {
    topic: `large.${n % 4}`,
    type: n % 2 === 0 ? 'even' : 'odd',
    id: `n-${n}`,
    correlationId: `run-${n % 3}`,
    payload: { mark, fill: 'x'.repeat([10, OVER - 40, OVER, 3 * OVER][n % 4]!) },
  };
}

const INPUTS = Array.from({ length: 40 }, (_, n) => inputOf(n));

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true })
    .map(String)
    .filter((path) => /\.payloads.[0-9a-f]{2}.[0-9a-f]{64}/.test(path));
}

function findings(dir: string, severities = ['error']): string[] {
  const found = [...verifyDirectory(dir)].filter(({ severity }) => severities.includes(severity));
  return found.map(({ file, message }) => `${file}: ${message}`);
}

async function filesAtRest(bus: Bus, dir: string): Promise<string[]> {
  await until('the files are those that the table has', async () => {
    const { shards } = await bus.stats();
    const counted = shards.reduce((sum, { payloadFiles }) => sum + payloadFiles, 0);
    return counted === filesOf(dir).length;
  });
  return filesOf(dir);
}

/** What a reader is shown, without what differs from one publish to the next. */
function shown(events: readonly Event[]): unknown[] {
  return events.map(({ timestamp, ...event }) => event);
}

/** Everything that the bus shows of the same publishes, in each way of reading. */
async function readings(options: BusOptions): Promise<Record<string, unknown>> {
  // One shard: the order of events that two have recorded in the same millisecond is open.
  const bus = await openTestBus({ shards: 1, ...options });
  const live = await Collector.start(bus, 'large.*');
  for (const input of INPUTS) await bus.publish(input);
  await live.count(INPUTS.length);
  const late = await Collector.start(bus, 'large.*', { from: 'earliest' });
  await late.count(INPUTS.length);
  const consumer = await bus.consumer('worker', { filter: 'large.*', from: 'earliest' });
  const taken: Event[] = [];
  const run = consumer.run(({ event }) => void taken.push(event), { concurrency: 1 });
  await until('all are taken', () => taken.length === INPUTS.length);
  await run.stop();
  const bySequence = (events: readonly Event[]) =>
    shown(events.toSorted((a, b) => a.shard - b.shard || a.sequence! - b.sequence!));
  const all = {
    live: bySequence(live.events),
    replay: bySequence(late.events),
    taken: bySequence(taken),
    read: shown(await gather(bus.read({ topic: '*' }))),
    backward: shown(await gather(bus.read({ topic: '*', reverse: true }))),
    topic: shown(await bus.query({ topic: 'large.3' })),
    run: shown(await bus.query({ topic: '*', correlationIds: ['run-1'] })),
    types: shown(await bus.query({ topic: 'large.*', types: ['odd'] })),
    latest: bySequence(await gather(bus.latest('large.*'))),
    one: shown([(await bus.get('large.*', 'n-7'))!]),
  };
  await bus.close();
  return all;
}

describe('payloads in files', () => {
  it('look to every reader like all others', async () => {
    const dir = temporaryDirectory();
    const inFiles = await readings({ dir, claimCheckBytes: OVER });
    expect(filesOf(dir).length).toBeGreaterThan(10);
    expect(inFiles).toEqual(await readings({}));
    expect(inFiles).toEqual(await readings({ dir: ':memory:', claimCheckBytes: OVER }));
    expect(findings(dir, ['error', 'note'])).toEqual([]);
    const again = await openTestBus({ dir });
    expect(shown(await gather(again.read({ topic: '*' })))).toEqual(inFiles.read);
  });

  it('go with their last event, and `stats` counts them', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2, claimCheckBytes: OVER });
    await bus.publishMany(INPUTS);
    const files = await filesAtRest(bus, dir);
    const { shards } = await bus.stats();
    const bytes = shards.reduce((sum, { payloadFileBytes }) => sum + payloadFileBytes, 0);
    expect(bytes).toBe(files.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0));
    await bus.prune({ pattern: '*', maxEvents: 0 });
    await until('the files are gone', () => filesOf(dir).length === 0);
    await bus.close();
    expect(findings(dir, ['error', 'note'])).toEqual([]);
  });

  it('of a publish that waits come to a file with the event', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1, claimCheckBytes: OVER });
    const input = inputOf(3);
    await bus.publish(input, { delayMs: 300 });
    expect(filesOf(dir)).toEqual([]);
    await until('it is due', async () => (await bus.query({ topic: '*' })).length === 1);
    expect((await bus.query({ topic: '*' }))[0]!.payload).toEqual(input.payload);
    expect(filesOf(dir)).toHaveLength(1);
  });

  it('outlive their event in the copy of a dead one', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 1, claimCheckBytes: OVER });
    const input = inputOf(3);
    const consumer = await bus.consumer('worker', { filter: input.topic, from: 'earliest' });
    await bus.publish(input);
    for await (const delivery of consumer.deliveries()) {
      await delivery.term('it is not wanted');
      break;
    }
    await bus.prune({ pattern: '*', maxEvents: 0 });
    await until('the file is gone', () => filesOf(dir).length === 0);
    await consumer.redrive();
    for await (const { event } of consumer.deliveries()) {
      expect(event.payload).toEqual(input.payload);
      break;
    }
  });

  it('are copied by backups, while others publish and prune', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 2, claimCheckBytes: OVER, dedupeWindowMs: 0 });
    await bus.publishMany(INPUTS);
    let isRunning = true;
    let rounds = 0;
    const working = (async () => {
      for (; isRunning; rounds++) {
        await bus.publishMany(INPUTS.slice(rounds % 30, (rounds % 30) + 10));
        await bus.prune({ pattern: '*', maxEvents: 20 });
      }
    })();
    onTestFinished(() => void (isRunning = false));
    for (let copy = 0; copy < 5; copy++) {
      const before = rounds;
      const to = join(temporaryDirectory(), 'copy');
      await bus.backup(to);
      expect(findings(to)).toEqual([]);
      const target = join(temporaryDirectory(), 'restored');
      restore(to, target);
      const restored = await openTestBus({ dir: target });
      for await (const event of restored.read({ topic: '*' })) {
        expect(event.payload).toEqual(INPUTS[Number(event.id.slice(2))]!.payload);
      }
      await restored.close();
      expect(findings(target, ['error', 'note'])).toEqual([]);
      await until('the others go on', () => rounds > before + 2);
    }
    isRunning = false;
    await working;
    await filesAtRest(bus, dir);
    await bus.close();
    expect(findings(dir, ['error', 'note'])).toEqual([]);
  }, 120_000);

  it('are refused by a store that has no files', async () => {
    const broker = memoryBroker({});
    onTestFinished(() => broker.close());
    const open = () => openBus({ store: broker.connect(), claimCheckBytes: OVER });
    await refused(open, 'OPTION_INVALID', 'claimCheckBytes');
  });
});

interface Told {
  readonly shard: number;
  readonly sequence: number;
  readonly id: string;
}

/** Starts the publisher, kills it once it has reported so many acks, and returns all that it has reported. */
async function killAfter(dir: string, life: number, acks: number): Promise<Told[]> {
  const file = join(temporaryDirectory(), 'told');
  writeFileSync(file, '');
  const args = [publisher, dir, file, String(life)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const exited = once(child, 'exit');
  const told = (): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  await until(`${acks} acks`, () => told().length >= acks || child.exitCode !== null);
  child.kill('SIGKILL');
  const [, signal] = await within('its end', exited);
  expect(signal).toBe('SIGKILL');
  return told().map((line) => {
    const [shard, sequence, id] = line.split(' ');
    return { shard: Number(shard), sequence: Number(sequence), id: id! };
  });
}

describe('kill -9 of a process that publishes and prunes large payloads', () => {
  it('leaves no row without its file, and no file without a row once the bus is open again', async () => {
    const dir = temporaryDirectory();
    for (let life = 0; life < 5; life++) {
      const told = await killAfter(dir, life, 20 + 54 * life);
      expect(findings(dir)).toEqual([]);
      const bus = await openTestBus({ dir });
      const events = await gather(bus.read({ topic: '*' }));
      const bySequence = new Map(events.map((one) => [`${one.shard}:${one.sequence}`, one.id]));
      const oldest = [0, 1].map(
        (shard) => events.find((one) => one.shard === shard)?.sequence ?? 0,
      );
      for (const { shard, sequence, id } of told) {
        const found = bySequence.get(`${shard}:${sequence}`);
        if (sequence >= oldest[shard]!) expect(found).toBe(id);
      }
      await filesAtRest(bus, dir);
      await bus.close();
      expect(findings(dir, ['error', 'note'])).toEqual([]);
    }
    expect(existsSync(join(dir, 'shard-000.payloads'))).toBe(true);
  }, 180_000);
});
