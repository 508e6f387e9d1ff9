import type { Registry } from 'prom-client';
import type { ArchiveStats } from '../../protocol/archive.js';
import type { ShardStats } from '../../protocol/bus-api.js';
import { addMetricsByLabel, type MetricOf } from './add-metric.js';

const METRICS: readonly MetricOf<ArchiveStats>[] = [
  ['gauge', 'archive_segments', 'Segments of the archive.', (a) => a.segments],
  ['gauge', 'archive_bytes', 'Bytes of the segments, compressed.', (a) => a.bytes],
  [
    'gauge',
    'archive_waiting_seconds',
    'How long retention has waited for the archive.',
    (a) => a.waitingMs / 1000,
  ],
  [
    'gauge',
    'archive_failing_seconds',
    'How long archiving has failed; 0 while it works.',
    (a) => a.failingMs / 1000,
  ],
  ['counter', 'archive_events_total', 'Events archived since the bus was opened.', (a) => a.events],
];

/** Metrics of a bus's archive, by shard; none without one. */
export function addArchiveMetrics(registry: Registry, shards: () => readonly ShardStats[]): void {
  addMetricsByLabel(registry, METRICS, 'shard', () =>
    shards().flatMap(({ shard, archive }) =>
      archive === undefined ? [] : [[String(shard), archive] as const],
    ),
  );
}
