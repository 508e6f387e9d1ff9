import { cpSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Gap } from '../../src/protocol/bus-api.js';
import { Collector, gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { publish, rolledBack } from './support/rolled-back.js';
import { until, within } from './support/wait.js';

/**
 * History that went backwards, by files put back from a copy. A subscription that had got further gets the gap and the
 * events after it, and never takes a new event for a lost one.
 */
/** A reader of everything so far, and the cursor behind it. */
async function readAll(bus: Bus, count: number): Promise<string> {
  const reader = await Collector.start(bus, '*', { from: 'earliest' });
  await reader.count(count);
  await within('drain', bus.drain());
  await reader.subscription.unsubscribe();
  return reader.subscription.cursor;
}

/** Events and gaps in the order in which they come. */
function listen(bus: Bus, after: string): { told: string[]; gaps: Gap[] } {
  const told: string[] = [];
  const gaps: Gap[] = [];
  bus
    .subscribe<string>('*', ({ payload }) => void told.push(payload), { from: { after } })
    .on('gap', (gap) => {
      gaps.push(gap);
      told.push('gap');
    });
  return { told, gaps };
}

describe('a shard file put back from an older copy', () => {
  test('begins a new epoch, and reports the gap to subscribers that had got further', async () => {
    const { bus, further, epoch } = await rolledBack();
    expect(bus.epoch).not.toBe(epoch);
    await publish(bus, 'new', 15);
    const { told, gaps } = listen(bus, further);
    await until('the newest event', () => told.at(-1) === 'new 14');
    expect(gaps).toEqual([{ shard: 0, from: 11, to: 20, reason: 'rolled-back' }]);
    expect(told).toEqual(['gap', ...Array.from({ length: 15 }, (_, n) => `new ${n}`)]);
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(25);
  });
});

describe('a whole directory put back from an older copy', () => {
  test('does not accept a cursor from beyond its head as its own', async () => {
    const dir = temporaryDirectory();
    const copy = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    await publish(bus, 'old', 10);
    await bus.close();
    cpSync(dir, copy, { recursive: true });
    bus = await openTestBus({ dir });
    await publish(bus, 'lost', 10);
    const further = await readAll(bus, 20);
    await bus.close();
    bus = await openTestBus({ dir: copy });
    const { told, gaps } = listen(bus, further);
    await publish(bus, 'new', 15);
    await until('the newest event', () => told.at(-1) === 'new 14');
    expect(gaps).toMatchObject([{ shard: 0, from: 11, to: 20, reason: 'rolled-back' }]);
    expect(told).toEqual(['gap', ...Array.from({ length: 15 }, (_, n) => `new ${n}`)]);
  });
});
