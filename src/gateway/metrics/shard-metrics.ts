import type { Registry } from 'prom-client';
import type { ShardStats } from '../../protocol/bus-api.js';
import { addMetricsByLabel, type MetricOf } from './add-metric.js';
import { SharedHistogram } from './shared-histogram.js';

const METRICS: readonly MetricOf<ShardStats>[] = [
  ['counter', 'events_published_total', 'Events stored.', (s) => s.published],
  [
    'counter',
    'events_ephemeral_total',
    'Events published live only, not stored.',
    (s) => s.ephemeral,
  ],
  [
    'counter',
    'events_delivered_total',
    'Events handed to subscriptions, once for each.',
    (s) => s.delivered,
  ],
  ['counter', 'events_dropped_total', 'Events that an overflow policy dropped.', (s) => s.dropped],
  [
    'counter',
    'events_duplicate_total',
    'Publishes answered with the ack of an earlier one.',
    (s) => s.duplicates,
  ],
  [
    'counter',
    'events_refused_total',
    'Publishes refused because the store was full.',
    (s) => s.refused,
  ],
  ['counter', 'events_expired_total', 'Events removed because they had expired.', (s) => s.expired],
  ['counter', 'shard_restarts_total', 'Shard threads replaced.', (s) => s.restarts],
  [
    'gauge',
    'subscription_lag_events',
    'Events not sent yet, summed over all subscriptions.',
    (s) => s.lag,
  ],
  [
    'gauge',
    'shard_wal_bytes',
    'Bytes in the write-ahead log that are not in the file yet.',
    (s) => s.walBytes,
  ],
  [
    'gauge',
    'shard_payload_files',
    'Payloads that lie in files of their own.',
    (s) => s.payloadFiles,
  ],
  ['gauge', 'shard_payload_file_bytes', 'Bytes of these files.', (s) => s.payloadFileBytes],
  [
    'gauge',
    'shard_unindexed_events',
    'Events of an earlier version that still lack the index by run, type and source.',
    (s) => s.unindexedEvents,
  ],
  [
    'gauge',
    'shard_dedupe_reach_seconds',
    'How far back all ids given by publishers are remembered.',
    (s) => s.dedupeReachMs / 1000,
  ],
  [
    'gauge',
    'shard_clock_ahead_seconds',
    'Recorded time minus system time; above 0 for a while after the clock was set back.',
    (s) => s.clockAheadMs / 1000,
  ],
  ['gauge', 'shard_up', '1 where the shard runs.', (s) => (s.state === 'running' ? 1 : 0)],
  ['gauge', 'shard_head_sequence', 'The last sequence stored.', (s) => s.head],
  ['gauge', 'shard_busy_ratio', 'Share of time not parked.', (s) => s.busy],
  [
    'gauge',
    'shard_publish_ring_ratio',
    'Fill of the fullest publish ring.',
    (s) => Math.min(1, s.publishRingFill),
  ],
  [
    'gauge',
    'shard_delivery_ring_ratio',
    'Fill of the fullest delivery ring.',
    (s) => Math.min(1, s.deliveryRingFill),
  ],
];

/** Metrics of the shards, by shard. */
export function addShardMetrics(registry: Registry, shards: () => readonly ShardStats[]): void {
  const byShard = () => shards().map((one) => [String(one.shard), one] as const);
  addMetricsByLabel(registry, METRICS, 'shard', byShard);
  registry.registerMetric(
    new SharedHistogram(
      'millrace_commit_duration_seconds',
      'Time from the begin of a batch to its commit, with the flush where one was asked for.',
      () => byShard().map(([shard, { commitMs }]) => [{ shard }, commitMs]),
    ),
  );
}
