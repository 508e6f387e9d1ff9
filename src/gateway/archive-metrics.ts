import { Counter, Gauge, type Registry } from 'prom-client';
import type { ArchiveStats } from '../protocol/archive.js';
import type { ShardStats } from '../protocol/bus-api.js';

/** Metrics of a bus's archive, by shard; none without one. */
export function addArchiveMetrics(registry: Registry, shards: () => readonly ShardStats[]): void {
  const settings = { labelNames: ['shard'], registers: [registry] };
  const each = (take: (shard: string, archive: ArchiveStats) => void): void => {
    for (const { shard, archive } of shards()) {
      if (archive !== undefined) take(String(shard), archive);
    }
  };
  const gauges = [
    ['segments', 'Segments of the archive.', (s: ArchiveStats) => s.segments],
    ['bytes', 'Bytes of the segments, compressed.', (s: ArchiveStats) => s.bytes],
    [
      'waiting_seconds',
      'How long retention has waited for the archive.',
      (s: ArchiveStats) => s.waitingMs / 1000,
    ],
    [
      'failing_seconds',
      'How long archiving has failed; 0 while it works.',
      (s: ArchiveStats) => s.failingMs / 1000,
    ],
  ] as const;
  for (const [name, help, of] of gauges) {
    new Gauge({
      ...settings,
      name: `millrace_archive_${name}`,
      help,
      collect() {
        this.reset();
        each((shard, archive) => this.set({ shard }, of(archive)));
      },
    });
  }
  new Counter({
    ...settings,
    name: 'millrace_archive_events_total',
    help: 'Events archived since the bus was opened.',
    collect() {
      this.reset();
      each((shard, archive) => this.inc({ shard }, archive.events));
    },
  });
}
