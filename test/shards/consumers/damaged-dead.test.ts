import { expect, test } from 'vitest';
import { SETTLE_TERM } from '../../../src/link/consumer-records.js';
import type { BusError } from '../../../src/protocol/errors.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { temporaryDirectory } from '../../store/directories.js';
import { memoryLog } from '../support.js';
import { publish, working } from './rig.js';

/** One damaged row of a dead event costs that row's letter, and nothing else. */
function withDead(count: number) {
  const file = shardFile(temporaryDirectory(), 0);
  const told: BusError[] = [];
  const log = memoryLog([], { file });
  const onDamage = (error: BusError): void => void told.push(error);
  const rig = working({ maxAttempts: 1, deadLetter: 'dead.jobs' }, 16, log, { onDamage });
  for (let n = 1; n <= count; n++) publish(rig.link, n);
  rig.turn();
  const leases = rig.one.leases();
  const die = (sequences: readonly number[]): void => {
    const those = leases.filter(({ sequence }) => sequences.includes(sequence));
    rig.one.settle(SETTLE_TERM, those);
    rig.turn();
    rig.one.said();
  };
  const change = (statement: string): void => {
    const database = openDatabase(file);
    database.exec(statement);
    database.close();
  };
  const answer = (name: 'takeLetters' | 'lettersSent', request: never): unknown => {
    rig.link.call(name, request, { id: 7 });
    rig.turn();
    return rig.link.replies().find(({ id }) => id === 7)?.body;
  };
  const letters = (): unknown => {
    const request = { limit: 10, except: [] } as never;
    const { letters: found } = answer('takeLetters', request) as {
      letters?: { sequence: number; times: number }[];
    };
    return found?.map(({ sequence, times }) => [sequence, times]);
  };
  return { ...rig, told, die, change, letters, answer };
}

test.each([
  "UPDATE consumer_dead SET reason = 'none' WHERE sequence = 2",
  'DELETE FROM consumer_dead WHERE sequence = 2',
])('letters of other events go out, and the damage is told once: %s', (statement) => {
  const rig = withDead(3);
  rig.die([1, 2, 3]);
  rig.change(statement);
  const two = [
    [1, 1],
    [3, 1],
  ];
  expect([rig.letters(), rig.letters()]).toEqual([two, two]);
  const details = expect.objectContaining({ sequence: 2 });
  expect(rig.told).toMatchObject([{ code: 'STORE_CORRUPT', details }]);
  expect(rig.answer('lettersSent', { sent: [['c1', 1, 1]], kept: [] } as never)).toBeNull();
  expect(rig.letters()).toEqual([[3, 1]]);
});

test('an event dies where the row of the next dead event is damaged', () => {
  const rig = withDead(3);
  rig.die([2]);
  rig.change("UPDATE consumer_dead SET reason = 'none'");
  rig.die([1, 3]);
  expect(rig.letters()).toEqual([
    [1, 1],
    [3, 1],
  ]);
});
