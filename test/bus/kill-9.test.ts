import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until, within } from './support/wait.js';

/** A process that is killed in the middle of its work keeps every acknowledged event. */
const publisher = fileURLToPath(new URL('./support/publisher.js', import.meta.url));

interface Told {
  readonly shard: number;
  readonly sequence: number;
  readonly id: string;
}

/** Starts the publisher and kills it once it has reported that many acks; returns all reported acks. */
async function killAfter(dir: string, shards: number, acks: number): Promise<Told[]> {
  const file = join(temporaryDirectory(), 'told');
  writeFileSync(file, '');
  const args = [publisher, 'load', dir, String(shards), file];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const exited = once(child, 'exit');
  await until(`${acks} acks`, () => statSync(file).size >= 36 * acks || child.exitCode !== null);
  child.kill('SIGKILL');
  const [, signal] = await within('its end', exited);
  expect(signal).toBe('SIGKILL');
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [shard, sequence, id] = line.split(' ');
    return { shard: Number(shard), sequence: Number(sequence), id: id! };
  });
}

describe('kill -9 of a process under load', () => {
  test('loses no acked event, repeats none and leaves no hole, three times over', async () => {
    const dir = temporaryDirectory();
    const told: Told[] = [];
    for (const acks of [200, 2000, 6000]) {
      const round = await killAfter(dir, 2, acks);
      told.push(...round);
      // A new life of the publisher counts from 1 again: its ids are repeats of the same.
      const bus = await openTestBus({ dir });
      await expectAllThere(bus, told);
      await bus.publish({ topic: 'after', type: 'system_heartbeat', payload: acks });
      await bus.close();
    }
  });
});

async function expectAllThere(
  bus: Awaited<ReturnType<typeof openTestBus>>,
  told: readonly Told[],
): Promise<void> {
  const all = await gather(bus.read<{ n: number } | number>({ topic: '*' }));
  const byPlace = new Map(all.map((event) => [`${event.shard}:${event.sequence}`, event]));
  expect(byPlace.size).toBe(all.length);
  for (const { shard, sequence, id } of told) {
    expect(byPlace.get(`${shard}:${sequence}`)?.id).toBe(id);
  }
  for (const shard of [0, 1]) {
    const sequences = all.filter((event) => event.shard === shard).map(({ sequence }) => sequence!);
    sequences.sort((a, b) => a - b);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  }
  const ids = all.filter(({ topic }) => topic.startsWith('load.')).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
}
