import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { GatewayMetrics } from '../../../src/gateway/metrics/gateway-metrics.js';
import type { BusStats, ShardStats } from '../../../src/protocol/bus-api.js';
import { parseConsumerOptions } from '../../../src/protocol/consumer-definition.js';
import type { ConsumerInfo } from '../../../src/protocol/consumers.js';
import { BusError } from '../../../src/protocol/errors.js';
import { CONSUMER_FIGURES_MS } from '../../../src/protocol/limits/consumers.js';
import { NO_SINKS } from '../../../src/protocol/sink-list.js';

const shard = (number: number, more: Partial<ShardStats> = {}): ShardStats => ({
  shard: number,
  state: 'running',
  restarts: 0,
  head: 10,
  published: 10,
  ephemeral: 2,
  duplicates: 1,
  refused: 0,
  expired: 7,
  delivered: 30,
  dropped: 3,
  subscriptions: 2,
  lag: 4,
  commits: 5,
  commitMsMean: 1,
  commitMsMax: 4,
  commitMs: { bounds: [1, 5, 10], counts: [3, 1, 0, 1], sum: 2500 },
  walBytes: 32_832,
  payloadFiles: 0,
  payloadFileBytes: 0,
  unindexedEvents: 32_768,
  dedupeReachMs: 90_500,
  clockAheadMs: 0,
  publishRingFill: 0.5,
  deliveryRingFill: 1.01,
  upMs: 60_000,
  busy: 0.25,
  ...more,
});

const stats = (shards: readonly ShardStats[]): BusStats => ({
  epoch: 'e',
  uptimeMs: 1500,
  published: 24,
  delivered: 60,
  dropped: 6,
  subscriptions: 2,
  lag: 8,
  endpoints: 3,
  gateways: [],
  sinks: NO_SINKS,
  gatewayRestarts: 0,
  scheduled: 0,
  consumers: { count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 },
  requests: { responders: 0, pending: 0, asked: 0, answered: 0, failed: 0, noResponders: 0 },
  retention: [],
  connections: 7,
  deliveryMs: { bounds: [1, 5, 10], counts: [8, 2, 0, 0], sum: 12 },
  shards,
});

/** The value of each series, by its name and labels as in the text. */
async function seriesOf(metrics: GatewayMetrics): Promise<Map<string, number>> {
  const { text } = await metrics.metrics();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line): [string, number] => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const metricsOf = (now: () => BusStats, consumers = async (): Promise<ConsumerInfo[]> => []) =>
  new GatewayMetrics({ stats: async () => now(), consumers });

const consumer = (name: string, more: Partial<ConsumerInfo> = {}): ConsumerInfo => ({
  name,
  definition: parseConsumerOptions({ filter: '*' }).definition,
  paused: false,
  epoch: 'e',
  createdAt: '2026-11-28T00:00:00.000Z',
  members: [],
  pending: 7,
  inFlight: 2,
  waiting: 1,
  held: 0,
  dead: 3,
  lettersDue: 1,
  lost: 4,
  expired: 3,
  oldestAgeMs: 1500,
  redelivered: 5,
  acked: 6,
  shards: [],
  ...more,
});

describe('the metrics', () => {
  it('give the counts of the bus, in base units, per shard', async () => {
    const metrics = metricsOf(() => stats([shard(0), shard(1)]));
    const series = await seriesOf(metrics);
    const expected: Record<string, number> = {
      'millrace_events_published_total{shard="0"}': 10,
      'millrace_events_published_total{shard="1"}': 10,
      'millrace_events_delivered_total{shard="0"}': 30,
      'millrace_events_dropped_total{shard="1"}': 3,
      'millrace_events_expired_total{shard="0"}': 7,
      'millrace_subscription_lag_events{shard="0"}': 4,
      'millrace_shard_wal_bytes{shard="0"}': 32_832,
      'millrace_shard_unindexed_events{shard="0"}': 32_768,
      'millrace_shard_dedupe_reach_seconds{shard="0"}': 90.5,
      'millrace_shard_clock_ahead_seconds{shard="0"}': 0,
      'millrace_shard_delivery_ring_ratio{shard="0"}': 1,
      'millrace_shard_up{shard="1"}': 1,
      millrace_connections: 7,
      millrace_uptime_seconds: 1.5,
      'millrace_commit_duration_seconds_bucket{shard="0",le="0.001"}': 3,
      'millrace_commit_duration_seconds_bucket{shard="0",le="0.005"}': 4,
      'millrace_commit_duration_seconds_bucket{shard="0",le="0.01"}': 4,
      'millrace_commit_duration_seconds_bucket{shard="0",le="+Inf"}': 5,
      'millrace_commit_duration_seconds_sum{shard="0"}': 2.5,
      'millrace_commit_duration_seconds_count{shard="0"}': 5,
      millrace_delivery_latency_seconds_count: 10,
      millrace_delivery_latency_seconds_sum: 0.012,
    };
    for (const [name, value] of Object.entries(expected))
      expect(series.get(name), name).toBe(value);
    const info = [...series.keys()].find((name) => name.startsWith('millrace_build_info'));
    expect(info).toMatch(/version="\d+\.\d+\.\d+"/);
    expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('are in the text format, each with its help and type', async () => {
    const metrics = metricsOf(() => stats([shard(0)]));
    const { contentType, text } = await metrics.metrics();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('# TYPE millrace_events_published_total counter');
    expect(text).toContain('# TYPE millrace_connections gauge');
    expect(text).toContain('# TYPE millrace_commit_duration_seconds histogram');
    for (const [, name] of text.matchAll(/^# TYPE (millrace_\w+)/gm)) {
      expect(text).toContain(`# HELP ${name} `);
    }
  });

  it('do not add up over several readings, and drop a shard that is gone', async () => {
    let shards = [shard(0), shard(1)];
    const metrics = metricsOf(() => stats(shards));
    await metrics.metrics();
    shards = [shard(0, { published: 11, state: 'failed' })];
    const series = await seriesOf(metrics);
    expect(series.get('millrace_events_published_total{shard="0"}')).toBe(11);
    expect(series.get('millrace_shard_up{shard="0"}')).toBe(0);
    expect([...series.keys()].filter((name) => name.includes('shard="1"'))).toEqual([]);
  });

  it('are kept apart for each gateway', async () => {
    const one = metricsOf(() => stats([shard(0)]));
    const other = metricsOf(() => stats([shard(0, { published: 99 })]));
    await other.metrics();
    expect((await seriesOf(one)).get('millrace_events_published_total{shard="0"}')).toBe(10);
  });

  it('have figures of each durable consumer, if there are any', async () => {
    const consumers = { count: 2, pending: 0, inFlight: 0, waiting: 0, dead: 0 };
    let asked = 0;
    const list = async (): Promise<ConsumerInfo[]> => {
      asked++;
      return [consumer('mailer'), consumer('audit', { oldestAgeMs: null })];
    };
    const some = await seriesOf(metricsOf(() => ({ ...stats([shard(0)]), consumers }), list));
    const expected = {
      pending: 7,
      in_flight: 2,
      waiting: 1,
      oldest_age_seconds: 1.5,
      dead: 3,
      letters_due: 1,
      acked_total: 6,
      redelivered_total: 5,
      lost_total: 4,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(some.get(`millrace_consumer_${name}{consumer="mailer"}`), name).toBe(value);
    }
    expect(some.get('millrace_consumer_oldest_age_seconds{consumer="audit"}')).toBe(0);
    const none = await seriesOf(metricsOf(() => stats([shard(0)]), list));
    expect([...none.keys()].filter((name) => name.includes('consumer='))).toEqual([]);
    expect(asked).toBe(1);
  });

  it('do without those of consumers where a shard does not answer, or was given up', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const consumers = { count: 1, pending: 0, inFlight: 0, waiting: 0, dead: 0 };
    const now = () => ({ ...stats([shard(0)]), consumers });
    const silent = seriesOf(metricsOf(now, () => new Promise(() => {})));
    await vi.advanceTimersByTimeAsync(CONSUMER_FIGURES_MS);
    const failed = seriesOf(
      metricsOf(now, async () => {
        throw new BusError('STORE_FAILED', 'shard 0 was given up');
      }),
    );
    for (const series of [await silent, await failed]) {
      expect([...series.keys()].filter((name) => name.includes('consumer='))).toEqual([]);
      expect(series.get('millrace_connections')).toBe(7);
    }
  });
});
