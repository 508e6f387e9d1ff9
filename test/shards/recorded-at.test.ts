import { expect, test } from 'vitest';
import { EVENT_FLAG_PERSIST } from '../../src/record/event-record.js';
import { PublishBatch } from '../../src/shards/publish-batch.js';
import { RecordingClock } from '../../src/shards/recording-clock.js';
import { memoryLog, TestLink } from './support.js';

test('an event that is published while others are taken is recorded no earlier than it was published', () => {
  const start = 1_800_000_000_000;
  const link = new TestLink();
  const shardEnd = link.shardEnd();
  const publishedAt: number[] = [];
  let elapsed = 0;
  const publish = (): void => {
    link.publish({ flags: EVENT_FLAG_PERSIST });
    publishedAt.push(start + elapsed);
  };
  const machine = {
    // Another event is published a millisecond after each reading of the clock.
    wall: () => {
      const now = start + elapsed;
      elapsed++;
      if (publishedAt.length > 0 && publishedAt.length < 5) publish();
      return now;
    },
    elapsed: () => elapsed,
    uptime: () => elapsed,
  };
  const log = memoryLog([]);
  const batch = new PublishBatch(log, new RecordingClock(0, () => {}, machine));
  publish();
  batch.drain([shardEnd], 0, 5);
  log.commit(false, batch.positions);
  const recordedAt: number[] = [];
  log.read({ after: 0, limit: 5 }, (record) => void recordedAt.push(record.recordedAt));
  expect(recordedAt.length).toBe(publishedAt.length);
  expect(publishedAt.length).toBeGreaterThan(1);
  for (const [n, time] of recordedAt.entries()) {
    expect(time).toBeGreaterThanOrEqual(publishedAt[n]!);
  }
});
