import { describe, expect, it } from 'vitest';
import type { Problem } from '../../src/dashboard/screens/overview/problem.js';
import {
  problemsOf,
  type Reader,
  type Situation,
} from '../../src/dashboard/screens/overview/problems.js';
import type { BusStats, GatewayStats, ShardStats } from '../../src/protocol/bus-api.js';
import { NO_SINKS } from '../../src/protocol/sink-list.js';
import { sampleAt, shardFigures } from './support/figures.js';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const MIB = 2 ** 20;

const HISTOGRAM = { bounds: [1], counts: [0, 0], sum: 0 };

function shard(given: Partial<ShardStats> = {}): ShardStats {
  return {
    shard: 0,
    state: 'running',
    restarts: 0,
    head: 0,
    published: 0,
    ephemeral: 0,
    duplicates: 0,
    refused: 0,
    expired: 7,
    delivered: 0,
    dropped: 0,
    subscriptions: 0,
    lag: 0,
    commits: 0,
    commitMsMean: 0,
    commitMsMax: 0,
    commitMs: HISTOGRAM,
    walBytes: 0,
    payloadFiles: 0,
    payloadFileBytes: 0,
    unindexedEvents: 0,
    dedupeReachMs: 120_000,
    clockAheadMs: 0,
    publishRingFill: 0,
    deliveryRingFill: 0,
    upMs: 3_600_000,
    busy: 0,
    ...given,
  };
}

function stats(shards: readonly ShardStats[], gateways: readonly GatewayStats[] = []): BusStats {
  return {
    epoch: 'e',
    uptimeMs: 3_600_000,
    published: 0,
    delivered: 0,
    dropped: 0,
    subscriptions: 0,
    lag: 0,
    endpoints: 1,
    connections: 1,
    gateways,
    sinks: NO_SINKS,
    gatewayRestarts: 0,
    scheduled: 0,
    requests: { responders: 0, pending: 0, asked: 0, answered: 0, failed: 0, noResponders: 0 },
    consumers: { count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 },
    retention: [],
    deliveryMs: HISTOGRAM,
    shards,
  };
}

function reader(given: Partial<Reader> = {}): Reader {
  return { id: 's-1', topics: ['orders.*'], mode: 'live', lag: 0, ...given };
}

/** The problems of a bus where all is well but for what a test says. */
function problems(given: Partial<Situation> = {}): Problem[] {
  return problemsOf({
    now: NOW,
    lostAt: undefined,
    stats: stats([shard()]),
    figures: { everyMs: 2000, samples: [sampleAt(NOW, { shards: [shardFigures()] })] },
    subscribers: [],
    consumers: [],
    alerts: [],
    dedupeWindowMs: 120_000,
    ...given,
  });
}

const brief = (found: readonly Problem[]): string[] =>
  found.map(({ severity, text, link }) => {
    const show = Object.values(link.parameters).join();
    return `${severity} → ${link.screen} ${show}: ${text}`;
  });

describe('the problems of a bus', () => {
  it('are none where all is well, and none before anything is known', () => {
    expect(problems()).toEqual([]);
    const unknown = { stats: undefined, figures: { everyMs: 2000, samples: [] } };
    expect(problems(unknown)).toEqual([]);
  });

  it('tell that alerts do not watch, or are not known', () => {
    const alertsFault = 'The alerts could not be asked for: TIMEOUT';
    expect(brief(problems({ alertsFault }))).toEqual([`bad → alerts : ${alertsFault}`]);
  });

  it('count the subscriptions that are behind as those at least that the server lists', () => {
    const many = Array.from({ length: 100 }, (_, n) => reader({ id: `s-${n}`, lag: 2000 }));
    expect(problems({ subscribers: many }).at(-1)?.text).toBe(
      'At least 97 more subscriptions are behind.',
    );
    expect(problems({ subscribers: many.slice(1) }).at(-1)?.text).toBe(
      '96 more subscriptions are behind.',
    );
  });

  it('begin with a page that has lost its connection', () => {
    const stopped = stats([shard({ state: 'starting' })]);
    const [first, second] = problems({ lostAt: NOW - 90_000, stats: stopped });
    expect(first?.severity).toBe('bad');
    expect(first?.text).toMatch(/^This page has no connection to the server since .*\(90 s\)\.$/);
    expect(second?.text).toBe('Shard 0 is starting.');
  });

  it('name each alert that fires, as severe as its rule', () => {
    const since = new Date(NOW - 720_000).toISOString();
    const text = 'no event on orders.* for 5 min';
    const alerts = [
      { name: 'lag', text: 'lag over 5', severity: 'info' as const },
      { name: 'quiet', text, severity: 'critical' as const, since },
      { name: 'failed', text: 'any worker_failed on *', severity: 'warning' as const },
    ];
    expect(brief(problems({ alerts }))).toEqual([
      'bad → alerts quiet: Alert quiet fires: no event on orders.* for 5 min, for 12 min.',
      'warning → alerts failed: Alert failed fires: any worker_failed on *.',
      'info → alerts lag: Alert lag fires: lag over 5.',
    ]);
  });

  it('name each shard that does not run', () => {
    const shards = [
      shard({ shard: 0, state: 'starting' }),
      shard({ shard: 1, state: 'restarting', restarts: 2 }),
      shard({ shard: 2, state: 'failed', restarts: 5 }),
      shard({ shard: 3, state: 'stopped' }),
    ];
    expect(brief(problems({ stats: stats(shards) }))).toEqual([
      'bad → overview shards: Shard 1 has failed and is starting again (restart 2).',
      'bad → overview shards: Shard 2 has failed and was given up after 5 restarts: its topics take and deliver no events.',
      'bad → overview shards: Shard 3 has stopped.',
      'warning → overview shards: Shard 0 is starting.',
    ]);
  });

  it('tell of a restart for ten minutes', () => {
    const restarted = (upMs: number): string[] =>
      brief(problems({ stats: stats([shard({ restarts: 1, upMs })]) }));
    expect(restarted(40_000)).toEqual([
      'warning → overview shards: Shard 0 failed and was started again 40 s ago; 1 restart so far.',
    ]);
    expect(restarted(600_000)).toEqual([]);
  });

  it('name gateways that restart, stall or were given up', () => {
    const gateways: GatewayStats[] = [
      { gateway: 0, state: 'listening', restarts: 3 },
      { gateway: 1, state: 'restarting', restarts: 1 },
      { gateway: 2, state: 'stalled', restarts: 0 },
      { gateway: 3, state: 'failed', restarts: 12 },
    ];
    expect(brief(problems({ stats: stats([shard()], gateways) }))).toEqual([
      'bad → overview gateways: Gateway 2 is stalled: it answers no request.',
      'bad → overview gateways: Gateway 3 has failed and was given up after 12 restarts.',
      'warning → overview gateways: Gateway 1 has failed and is starting again.',
    ]);
  });

  it('tell of refusals within the last minute, and not of earlier ones', () => {
    const refused = (secondsAgo: number): string[] => {
      const samples = [sampleAt(NOW - secondsAgo * 1000, { refusedPerSecond: 12 }), sampleAt(NOW)];
      return brief(problems({ figures: { everyMs: 2000, samples } }));
    };
    expect(refused(30)).toEqual([
      'bad → overview rates: The store is full: it refused 6 events/s over the last minute.',
    ]);
    expect(refused(70)).toEqual([]);
  });

  it('name the shard with the largest write-ahead log, and count the others', () => {
    const shards = [64, 65, 300].map((size, index) =>
      shard({ shard: index, walBytes: size * MIB }),
    );
    const [problem, ...others] = problems({ stats: stats(shards) });
    expect(others).toEqual([]);
    expect(problem?.text).toMatch(
      /^The write-ahead log of shard 2 \(and of 1 other shard\) holds 300 MiB/,
    );
  });

  it('tell of a ring that stays nearly full, and not of one that was full for a moment', () => {
    const samplesOf = (...fills: number[]) =>
      fills.map((fill, index) =>
        sampleAt(NOW + index * 2000, {
          shards: [shardFigures(), shardFigures({ publishRingFill: fill, deliveryRingFill: fill })],
        }),
      );
    const found = (...fills: number[]): string[] =>
      brief(problems({ figures: { everyMs: 2000, samples: samplesOf(...fills) } }));
    expect(found(0.95, 0.93, 0.99)).toEqual([
      'warning → overview shards: A publish ring of shard 1 is 93 % full: publishers wait for the shard.',
      'warning → overview shards: A delivery ring of shard 1 is 93 % full: a thread with subscriptions does not keep up.',
    ]);
    expect(found(0.1, 0.1, 1)).toEqual([]);
  });

  it('name the subscriptions that are furthest behind, and count the others', () => {
    const subscribers = [
      reader({ id: 'a', lag: 1001 }),
      reader({ id: 'b', name: 'billing', mode: 'catching-up', lag: 12_345, lagMs: 40_000 }),
      reader({ id: 'c', lag: 3, lagMs: 11_000 }),
      reader({ id: 'd', lag: 2000 }),
      reader({ id: 'e', lag: 1000, lagMs: 2000 }),
      reader({ id: 'f', mode: 'replaying', lag: 1_000_000 }),
    ];
    expect(brief(problems({ subscribers }))).toEqual([
      'warning → subscribers -lag: Subscription billing to orders.* is 12,345 events (40 s) behind.',
      'warning → subscribers -lag: Subscription d to orders.* is 2,000 events behind.',
      'warning → subscribers -lag: Subscription a to orders.* is 1,001 events behind.',
      'warning → subscribers -lag: 1 more subscription is behind.',
    ]);
  });

  it('tell of events that subscriptions drop', () => {
    const samples = [sampleAt(NOW - 2000, { droppedPerSecond: 500 }), sampleAt(NOW)];
    expect(brief(problems({ figures: { everyMs: 2000, samples } }))).toEqual([
      'warning → subscribers -dropped: Subscriptions that do not keep up dropped 250 events/s over the last minute.',
    ]);
  });

  it('tell of a clock that was set back, and of ids that are known for less than was asked', () => {
    const shards = [shard({ clockAheadMs: 12_000, dedupeReachMs: 40_000 })];
    expect(brief(problems({ stats: stats(shards) }))).toEqual([
      'warning → overview shards: The system clock was set back: the times that shard 0 records are 12 s ahead of it.',
      'warning → overview shards: So many ids come that shard 0 knows only those of the last 40 s, not of 2 min: a publish repeated later is stored twice.',
    ]);
    expect(problems({ stats: stats(shards), dedupeWindowMs: undefined })).toHaveLength(1);
  });
});
