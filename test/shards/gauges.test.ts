/** The gauges of a shard: each counter has its figure, as often as it is measured. */
import { expect, test } from 'vitest';
import { ShardControl, ShardCounter } from '../../src/link/shard-control.js';
import { Gauges, type Measured } from '../../src/shards/gauges.js';
import type { RecordingClock } from '../../src/shards/recording-clock.js';
import type { LinkSubscription } from '../../src/shards/routes.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import type { ShardLog } from '../../src/store/shard-log.js';

const linkOf = (publishFill: number, deliveryFill: number, ...lags: readonly number[]) => {
  const subscriptions = new Map(lags.map((queued, number) => [number, { queued }]));
  return { publishFill, deliveryFill, subscriptions } as unknown as ShardEnd;
};

function gaugesOf(shard: Partial<Measured> = {}, log: Partial<ShardLog> = {}) {
  const control = ShardControl.create();
  const measured = {
    ...{ links: [], archive: undefined, due: undefined, desk: undefined },
    lagOf: ({ queued }: LinkSubscription) => queued,
    ...shard,
  };
  const clock = { aheadMs: 5 } as RecordingClock;
  const gauges = new Gauges(measured, log as ShardLog, clock, control);
  const read = (...names: readonly (keyof typeof ShardCounter)[]) =>
    names.map((name) => control.counters[ShardCounter[name]]);
  return { gauges, read, measured };
}

test('the gauges of links are the sum of lags and the fullest rings', () => {
  const links = [linkOf(0.5, 0.1, 3, 4), linkOf(0.2, 0.4, 5), linkOf(0.3, 0.2)];
  const { gauges, read } = gaugesOf({ links });
  gauges.step(0);
  expect(read('lag', 'publishRingFill', 'deliveryRingFill')).toEqual([12, 0.5, 0.4]);
});

test('the gauges of the log are its own figures, and 0 for what it has not', () => {
  const log = { walBytes: 11, dedupeReachMs: 12 };
  const names = ['walBytes', 'dedupeReachMs', 'clockAheadMs'] as const;
  const more = ['unindexedEvents', 'payloadFiles', 'payloadFileBytes', 'scheduledWaiting'] as const;
  const plain = gaugesOf({}, log);
  plain.gauges.step(0);
  expect(plain.read(...names)).toEqual([11, 12, 5]);
  expect(plain.read(...more)).toEqual([0, 0, 0, 0]);
  const payloadFiles = { count: 14, bytes: 15 };
  const full = gaugesOf({ due: { waiting: 16 } }, { ...log, unindexedEvents: 13, payloadFiles });
  full.gauges.step(0);
  expect(full.read(...more)).toEqual([13, 14, 15, 16]);
});

test('the gauges are measured once in a while', () => {
  const links: ShardEnd[] = [linkOf(0, 0, 1)];
  const { gauges, read } = gaugesOf({ links });
  gauges.step(1000);
  links.push(linkOf(0, 0, 1));
  for (const now of [1000, 1249]) gauges.step(now);
  expect(read('lag')).toEqual([1]);
  gauges.step(1250);
  expect(read('lag')).toEqual([2]);
  links.length = 0;
  gauges.step(1499);
  expect(read('lag')).toEqual([2]);
  gauges.step(1500);
  expect(read('lag')).toEqual([0]);
});
