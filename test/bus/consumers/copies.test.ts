import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { reshard } from '../../../src/store/upkeep/reshard.js';
import { restore } from '../../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { gather } from '../support/collector.js';
import { closeTestBus, openTestBus, temporaryDirectory } from '../support/open.js';
import { CUSTOMERS, expectLater, expectWork, fillWork, LAYOUT } from './copied-work.js';

/** Copies of a directory that is in the middle of its work, which is divided by the first segments of its topics. */

const faultsOf = (dir: string) =>
  [...verifyDirectory(dir)].filter(({ severity }) => severity === 'error');
const fresh = (name: string): string => join(temporaryDirectory(), name);

describe('a directory in the middle of its work', { timeout: 120_000 }, () => {
  test('goes on where it was after a backup of the open bus and its restoration', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, ...LAYOUT });
    const { gate, ...work } = await fillWork(bus);
    const [copy, restored] = [fresh('copy'), fresh('restored')];
    await bus.backup(copy);
    gate.open();
    await closeTestBus(bus);
    expect(faultsOf(copy)).toEqual([]);
    restore(copy, restored);
    const opened = await openTestBus({ dir: restored });
    await expectWork(opened, work);
    await expectLater(opened);
    await closeTestBus(opened);
    expect(faultsOf(restored)).toEqual([]);
    // A second copy of the same backup is as good.
    const second = fresh('second');
    restore(copy, second);
    const again = await openTestBus({ dir: second });
    await expectLater(again);
  });

  test('goes on where it was after a copy of its files, while the bus was closed', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, ...LAYOUT });
    const { gate, ...work } = await fillWork(bus);
    const copy = fresh('copy');
    // The close waits for the handlers.
    gate.open();
    await closeTestBus(bus);
    cpSync(dir, copy, { recursive: true });
    expect(faultsOf(copy)).toEqual([]);
    const opened = await openTestBus({ dir: copy });
    await expectWork(opened, work);
    await expectLater(opened);
  });

  test.each([1, 2, 5])(
    'takes along what waits, and the schedules, to %i shards',
    async (shards) => {
      const dir = temporaryDirectory();
      const bus = await openTestBus({ dir, ...LAYOUT });
      const { gate } = await fillWork(bus);
      const consumer = await bus.consumer('worker');
      gate.open();
      await consumer.delete();
      await closeTestBus(bus);
      const to = fresh('resharded');
      reshard({ from: dir, to, shards });
      expect(faultsOf(to)).toEqual([]);
      const copy = await openTestBus({ dir: to });
      await expectLater(copy);
      for (const customer of CUSTOMERS) {
        const own = await gather(copy.read({ topic: `${customer}.*` }));
        const where = shardOf(customer, shards);
        expect(own.filter(({ shard }) => shard !== where)).toEqual([]);
      }
      // What was done is not remembered: a consumer of the copy is a new one.
      const again = await copy.consumer('worker', { filter: '+.jobs', from: 'earliest' });
      expect(await again.info()).toMatchObject({ pending: 60, acked: 0 });
    },
  );

  test('is resharded from a backup that was taken of the open bus', async () => {
    const bus = await openTestBus({ dir: temporaryDirectory(), ...LAYOUT });
    const { gate } = await fillWork(bus);
    gate.open();
    await (await bus.consumer('worker')).delete();
    const [copy, restored, resharded] = [fresh('copy'), fresh('restored'), fresh('resharded')];
    await bus.backup(copy);
    await closeTestBus(bus);
    restore(copy, restored);
    reshard({ from: restored, to: resharded, shards: 4 });
    await expectLater(await openTestBus({ dir: resharded }));
  });
});
