import type { BusStats, ShardStats } from '../../protocol/bus-api.js';
import type { FigureSample, Percentiles, ShardFigures } from '../../protocol/operations.js';
import { countedSince, countedTogether, percentilesOf } from '../../protocol/percentiles.js';

/** Makes a sample of two looks at the counters of a bus. Pure. */

/** The counters at one moment. */
export interface Look {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Milliseconds of a clock that is never set. */
  readonly elapsedMs: number;
  readonly stats: BusStats;
}

export type MemoryFigures = Pick<FigureSample, 'rssBytes' | 'heapBytes' | 'heldBytes'>;

export function sampleOf(before: Look, now: Look, memory: MemoryFigures): FigureSample {
  const seconds = Math.max(1, now.elapsedMs - before.elapsedMs) / 1000;
  const { stats } = now;
  const rate = (of: (stats: BusStats) => number): number => perSecond(of, before, now, seconds);
  const commits = stats.shards.map(({ commitMs }, shard) =>
    countedSince(commitMs, before.stats.shards[shard]?.commitMs),
  );
  const shards = stats.shards.map((shard, index) =>
    shardFigures(before.stats.shards[index], shard, seconds),
  );
  return {
    at: now.at,
    publishedPerSecond: rate(({ published }) => published),
    deliveredPerSecond: rate(({ delivered }) => delivered),
    droppedPerSecond: rate(({ dropped }) => dropped),
    refusedPerSecond: rate((one) => sumOf(one.shards, ({ refused }) => refused)),
    ...named('deliveryMs', percentilesOf(countedSince(stats.deliveryMs, before.stats.deliveryMs))),
    ...named(
      'commitMs',
      commits.length === 0 ? undefined : percentilesOf(countedTogether(commits)),
    ),
    subscriptions: stats.subscriptions,
    connections: stats.connections,
    lag: stats.lag,
    ...memory,
    shards,
  };
}

function shardFigures(
  before: ShardStats | undefined,
  now: ShardStats,
  seconds: number,
): ShardFigures {
  const published = (of: ShardStats | undefined): number =>
    (of?.published ?? 0) + (of?.ephemeral ?? 0);
  return {
    state: now.state,
    publishedPerSecond: increase(published(before), published(now), seconds),
    deliveredPerSecond: increase(before?.delivered ?? 0, now.delivered, seconds),
    publishRingFill: ratio(now.publishRingFill),
    deliveryRingFill: ratio(now.deliveryRingFill),
    walBytes: now.walBytes,
    lag: now.lag,
    busy: ratio(busySince(before, now)),
    ...named('commitMs', percentilesOf(countedSince(now.commitMs, before?.commitMs))),
  };
}

/** `busy` counts from the start of the shard's thread; a thread that is younger than the last look has replaced one. */
function busySince(before: ShardStats | undefined, now: ShardStats): number {
  const busyMs = (of: ShardStats): number => of.busy * of.upMs;
  if (before === undefined || now.upMs <= before.upMs) return now.busy;
  return (busyMs(now) - busyMs(before)) / (now.upMs - before.upMs);
}

function perSecond(
  of: (stats: BusStats) => number,
  before: Look,
  now: Look,
  seconds: number,
): number {
  return increase(of(before.stats), of(now.stats), seconds);
}

function increase(before: number, now: number, seconds: number): number {
  return Math.round((Math.max(0, now - before) / seconds) * 10) / 10;
}

function ratio(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
}

function sumOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function named<N extends string>(
  name: N,
  percentiles: Percentiles | undefined,
): { readonly [K in N]?: Percentiles } {
  return percentiles === undefined ? {} : ({ [name]: percentiles } as { [K in N]: Percentiles });
}
