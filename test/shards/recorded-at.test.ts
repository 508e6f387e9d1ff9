import { expect, test } from 'vitest';
import { EVENT_FLAG_PERSIST } from '../../src/record/event-record.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { RecordingClock } from '../../src/shards/recording-clock.js';
import { memoryLog, TestLink } from './support.js';

test('an event that is published while others are taken is recorded no earlier than it was published', () => {
  const start = 1_800_000_000_000;
  let elapsed = 0;
  const machine = {
    // Each look at it takes a millisecond, as where a thread is kept from going on.
    wall: () => start + ++elapsed,
    elapsed: () => elapsed,
    uptime: () => elapsed,
  };
  const log = memoryLog([]);
  const batch = new PublishBatch(log, new RecordingClock(0, () => {}, machine));
  const link = new TestLink();
  for (let n = 0; n < 3; n++) link.publish({ flags: EVENT_FLAG_PERSIST });
  const adapter = link.adapter();
  const before = elapsed;
  batch.drain([adapter], 0, 3);
  log.commit(false, batch.positions);
  expect(log.lastRecordedAt).toBeGreaterThan(start + before + 3);
});
