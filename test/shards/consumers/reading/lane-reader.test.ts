/** Reading on from the log for consumers that are behind its head. */
import { describe, expect, it, vi } from 'vitest';
import { BusError } from '../../../../src/protocol/errors.js';
import { CONSUMER_READ_EVENTS_PER_TURN } from '../../../../src/protocol/limits/consumers.js';
import { LaneReader } from '../../../../src/shards/consumers/reading/lane-reader.js';
import { memoryLog } from '../../support.js';
import { entryOf, working } from '../rig.js';

/** Two consumers that have read nothing yet, and a reader of its own for them. */
function behind(count: number, options: Parameters<typeof entryOf>[0] = {}) {
  const log = memoryLog(Array.from({ length: count }, () => 'jobs.a'));
  const rig = working({}, 0, log);
  rig.shard.applyConsumers([
    entryOf(options, { round: 2 }),
    entryOf(options, { id: 'c2', name: 'other', gate: 1 }),
  ]);
  const desk = rig.shard.desk!;
  const damages: BusError[] = [];
  const { roster } = desk;
  const reader = new LaneReader(log, desk.events, (topic) => roster.matching(topic), {
    expiryNow: () => 0,
    onDamage: (error) => damages.push(error),
  });
  const step = () => reader.step(roster.listed);
  const places = () => roster.listed.map(({ position }) => position);
  return { log, desk, damages, step, places, listed: roster.listed };
}

describe('a shard that reads for its consumers', () => {
  it('reads for each of them, and says whether it read anything', () => {
    const { step, places, log, listed } = behind(3);
    expect(listed.map((one) => LaneReader.isBehind(one, log.head))).toEqual([true, true]);
    expect([step(), places(), step()]).toEqual([true, [3, 3], false]);
    expect(listed.map((one) => LaneReader.isBehind(one, log.head))).toEqual([false, false]);
  });

  it('reads so many events in a turn, and each turn first for another one', () => {
    const most = CONSUMER_READ_EVENTS_PER_TURN;
    const { step, places } = behind(2 * most + 5, { maxAhead: 5000 });
    const seen: number[][] = [];
    for (let turn = 0; turn < 5; turn++) {
      step();
      seen.push(places());
    }
    expect(seen).toEqual([
      [most, 0],
      [most, most],
      [2 * most, most],
      [2 * most, 2 * most],
      [2 * most + 5, 2 * most + 5],
    ]);
    expect(step()).toBe(false);
  });

  it('stops a consumer that a damaged event stands in the way of, and no other one', () => {
    const { log, step, places, damages, listed } = behind(3);
    const corrupt = new BusError('STORE_CORRUPT', 'a record is damaged');
    vi.spyOn(log, 'read').mockImplementationOnce(() => {
      throw corrupt;
    });
    expect([step(), places(), damages]).toEqual([true, [0, 3], [corrupt]]);
    expect(listed.map(({ isStuck }) => isStuck)).toEqual([true, false]);
    expect([step(), LaneReader.isBehind(listed[0]!, log.head), damages]).toEqual([
      false,
      false,
      [corrupt],
    ]);
  });

  it.each([new Error('out of memory'), new BusError('STORE_FAILED', 'the disk is gone')])(
    'fails with the store: %s',
    (error) => {
      const { log, step, damages, listed } = behind(3);
      vi.spyOn(log, 'read').mockImplementationOnce(() => {
        throw error;
      });
      expect(step).toThrow(error);
      expect([damages, listed.map(({ isStuck }) => isStuck)]).toEqual([[], [false, false]]);
    },
  );
});
