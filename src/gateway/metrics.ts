import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { BusStats, Histogram, ShardStats } from '../protocol/bus-api.js';
import type { ConsumerInfo } from '../protocol/consumers.js';
import type { DoorCount } from '../protocol/door-counts.js';
import { CONSUMER_FIGURES_MS } from '../protocol/limits/consumers.js';
import { within } from '../threads/within.js';
import { addArchiveMetrics } from './archive-metrics.js';
import { addSinkMetrics } from './sink-metrics.js';
import { VERSION } from './version.js';

/**
 * The bus's counters in the text format of Prometheus, in a registry of their own. Shards and endpoints count in shared
 * memory; a request for metrics only reads the counts. So every gateway of a bus answers the same figures, except for
 * its held bytes and those of its process. Only for the figures of durable consumers it asks the shards, and leaves them
 * out where a shard does not answer in time. Units are seconds and bytes; no label has more than 16 values, but for the
 * names of consumers.
 */
export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

type HistogramReader = () => readonly (readonly [Record<string, string>, Histogram])[];
type Value = readonly [labels: Record<string, string>, value: number];

export class GatewayMetrics {
  readonly #endpoint: Pick<BusEndpoint, 'stats' | 'consumers'>;
  readonly #registry = new Registry();
  #stats: BusStats | undefined;
  #consumers: readonly ConsumerInfo[] = [];

  /** `heldBytes`: the bytes that this gateway holds for its clients. `atDoors`: the counts of all doors of the bus. */
  constructor(
    endpoint: Pick<BusEndpoint, 'stats' | 'consumers'>,
    heldBytes: () => number = () => 0,
    atDoors: (count: DoorCount) => number = () => 0,
  ) {
    this.#endpoint = endpoint;
    this.#addDoorCounters(atDoors);
    this.#add(
      'gauge',
      'gateway_held_bytes',
      'History, and what waits in sockets, that this gateway thread holds for its clients.',
      () => [[{}, heldBytes()]],
    );
    this.#addCounters();
    this.#addGauges();
    this.#addHistograms();
    this.#addConsumers();
    addArchiveMetrics(this.#registry, () => this.#shards());
    addSinkMetrics(this.#registry, () => this.#stats?.sinks.list ?? []);
    collectDefaultMetrics({ register: this.#registry });
  }

  /** @throws BusError `BUS_CLOSED` */
  async metrics(): Promise<MetricsText> {
    this.#stats = await this.#endpoint.stats();
    this.#consumers = this.#stats.consumers.count === 0 ? [] : await this.#askForConsumers();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #addDoorCounters(atDoors: (count: DoorCount) => number): void {
    const failures = ['missing', 'refused', 'unavailable', 'limited'] as const;
    this.#add(
      'counter',
      'auth_failures_total',
      'Sign-ins that failed: no token, one that was refused, no way to judge it, or too many.',
      () => failures.map((reason): Value => [{ reason }, atDoors(`signIn.${reason}`)]),
    );
    const results = ['done', 'refused', 'failed', 'limited'] as const;
    const acts = [
      ...(['backup', 'prune', 'disconnect', 'setAlert', 'removeAlert'] as const),
      ...(['setConsumer', 'alterConsumer', 'deleteConsumer'] as const),
    ];
    this.#add('counter', 'admin_total', 'Administrative acts, by how they ended.', () =>
      acts.flatMap((act) =>
        results.map((result): Value => [{ act, result }, atDoors(`${act}.${result}`)]),
      ),
    );
  }

  #addCounters(): void {
    this.#perShard('counter', 'events_published_total', 'Events stored.', (s) => s.published);
    this.#perShard(
      'counter',
      'events_ephemeral_total',
      'Events published live only, not stored.',
      (s) => s.ephemeral,
    );
    this.#perShard(
      'counter',
      'events_delivered_total',
      'Events handed to subscriptions, once for each.',
      (s) => s.delivered,
    );
    this.#perShard(
      'counter',
      'events_dropped_total',
      'Events that an overflow policy dropped.',
      (s) => s.dropped,
    );
    this.#perShard(
      'counter',
      'events_duplicate_total',
      'Publishes answered with the ack of an earlier one.',
      (s) => s.duplicates,
    );
    this.#perShard(
      'counter',
      'events_refused_total',
      'Publishes refused because the store was full.',
      (s) => s.refused,
    );
    this.#perShard(
      'counter',
      'events_expired_total',
      'Events removed because they had expired.',
      (s) => s.expired,
    );
    this.#perShard('counter', 'shard_restarts_total', 'Shard threads replaced.', (s) => s.restarts);
    this.#whole(
      'counter',
      'gateway_restarts_total',
      'Gateway threads replaced.',
      (stats) => stats.gatewayRestarts,
    );
  }

  #addGauges(): void {
    this.#perShard(
      'gauge',
      'subscription_lag_events',
      'Events not sent yet, summed over all subscriptions.',
      (s) => s.lag,
    );
    this.#perShard(
      'gauge',
      'shard_wal_bytes',
      'Bytes in the write-ahead log that are not in the file yet.',
      (s) => s.walBytes,
    );
    this.#perShard(
      'gauge',
      'shard_payload_files',
      'Payloads that lie in files of their own.',
      (s) => s.payloadFiles,
    );
    this.#perShard(
      'gauge',
      'shard_payload_file_bytes',
      'Bytes of these files.',
      (s) => s.payloadFileBytes,
    );
    this.#perShard(
      'gauge',
      'shard_unindexed_events',
      'Events of an earlier version that still lack the index by run, type and source.',
      (s) => s.unindexedEvents,
    );
    this.#perShard(
      'gauge',
      'shard_dedupe_reach_seconds',
      'How far back all ids given by publishers are remembered.',
      (s) => s.dedupeReachMs / 1000,
    );
    this.#perShard(
      'gauge',
      'shard_clock_ahead_seconds',
      'Recorded time minus system time; above 0 for a while after the clock was set back.',
      (s) => s.clockAheadMs / 1000,
    );
    this.#perShard('gauge', 'shard_up', '1 where the shard runs.', (s) =>
      s.state === 'running' ? 1 : 0,
    );
    this.#perShard('gauge', 'shard_head_sequence', 'The last sequence stored.', (s) => s.head);
    this.#perShard('gauge', 'shard_busy_ratio', 'Share of time not parked.', (s) => s.busy);
    this.#perShard('gauge', 'shard_publish_ring_ratio', 'Fill of the fullest publish ring.', (s) =>
      Math.min(1, s.publishRingFill),
    );
    this.#perShard(
      'gauge',
      'shard_delivery_ring_ratio',
      'Fill of the fullest delivery ring.',
      (s) => Math.min(1, s.deliveryRingFill),
    );
    this.#whole('gauge', 'subscriptions', 'Subscriptions.', (stats) => stats.subscriptions);
    this.#whole(
      'gauge',
      'scheduled_waiting',
      'Publishes that wait for their time.',
      (s) => s.scheduled,
    );
    this.#whole('gauge', 'responders', 'Responders of questions.', (s) => s.requests.responders);
    this.#whole(
      'gauge',
      'requests_pending',
      'Requests that wait for their answers.',
      (s) => s.requests.pending,
    );
    this.#whole(
      'counter',
      'requests_total',
      'Questions that went to a responder.',
      (s) => s.requests.asked,
    );
    this.#whole(
      'counter',
      'requests_failed_total',
      'Questions whose responder failed or went, or whose asker waited no more.',
      (s) => s.requests.failed,
    );
    this.#whole(
      'counter',
      'requests_unheard_total',
      'Requests that found no responder.',
      (s) => s.requests.noResponders,
    );
    this.#whole('gauge', 'connections', 'WebSocket connections.', (s) => s.connections);
    this.#whole(
      'gauge',
      'gateways',
      'Gateway threads that listen and whose event loop turns.',
      ({ gateways }) => gateways.filter(({ state }) => state === 'listening').length,
    );
    this.#whole('gauge', 'endpoints', 'Threads attached to the bus.', (s) => s.endpoints);
    this.#whole(
      'gauge',
      'uptime_seconds',
      'Seconds since the bus was opened.',
      (s) => s.uptimeMs / 1000,
    );
    this.#add('gauge', 'build_info', 'Always 1; the labels say what runs.', () => [
      [{ version: VERSION, node: process.version }, 1],
    ]);
  }

  #addHistograms(): void {
    this.#registry.registerMetric(
      new SharedHistogram(
        'millrace_commit_duration_seconds',
        'Time from the begin of a batch to its commit, with the flush where one was asked for.',
        () => this.#shards().map((one) => [{ shard: String(one.shard) }, one.commitMs]),
      ),
    );
    this.#registry.registerMetric(
      new SharedHistogram(
        'millrace_delivery_latency_seconds',
        'Time from recording an event to its arrival in the consuming thread; one in 64 events.',
        () => (this.#stats === undefined ? [] : [[{}, this.#stats.deliveryMs]]),
      ),
    );
  }

  async #askForConsumers(): Promise<readonly ConsumerInfo[]> {
    let found: readonly ConsumerInfo[] = [];
    const asked = this.#endpoint.consumers().then(
      (consumers) => {
        found = consumers;
      },
      // A shard that was given up, or the bus closes.
      () => {},
    );
    await within(CONSUMER_FIGURES_MS, asked);
    return found;
  }

  #addConsumers(): void {
    this.#perConsumer(
      'gauge',
      'consumer_pending',
      'About how many events are to be done, those of others beyond the positions included.',
      (one) => one.pending,
    );
    this.#perConsumer('gauge', 'consumer_in_flight', 'Events leased.', (one) => one.inFlight);
    this.#perConsumer(
      'gauge',
      'consumer_waiting',
      'Events that wait for their time after a failed attempt.',
      (one) => one.waiting,
    );
    this.#perConsumer(
      'gauge',
      'consumer_oldest_age_seconds',
      'Age of the oldest event that is read and not done; 0 if there is none.',
      (one) => (one.oldestAgeMs ?? 0) / 1000,
    );
    this.#perConsumer(
      'gauge',
      'consumer_dead',
      'Dead events that are kept and were not redriven.',
      (one) => one.dead,
    );
    this.#perConsumer(
      'gauge',
      'consumer_letters_due',
      'Dead letters not published yet.',
      (one) => one.lettersDue,
    );
    this.#perConsumer('counter', 'consumer_acked_total', 'Events done.', (one) => one.acked);
    this.#perConsumer(
      'counter',
      'consumer_redelivered_total',
      'Leases that were not the first of their event.',
      (one) => one.redelivered,
    );
    this.#perConsumer(
      'counter',
      'consumer_lost_total',
      'Events pruned before they were done.',
      (one) => one.lost,
    );
    this.#perConsumer(
      'counter',
      'consumer_expired_total',
      'Events that expired before they were done.',
      (one) => one.expired,
    );
  }

  #perConsumer(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (consumer: ConsumerInfo) => number,
  ): void {
    this.#add(kind, name, help, () =>
      this.#consumers.map((one): Value => [{ consumer: one.name }, of(one)]),
    );
  }

  #perShard(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (shard: ShardStats) => number,
  ): void {
    this.#add(kind, name, help, () =>
      this.#shards().map((one): Value => [{ shard: String(one.shard) }, of(one)]),
    );
  }

  #whole(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (stats: BusStats) => number,
  ): void {
    this.#add(kind, name, help, () => (this.#stats === undefined ? [] : [[{}, of(this.#stats)]]));
  }

  #add(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    values: () => readonly Value[],
  ): void {
    const settings = {
      name: `millrace_${name}`,
      help,
      labelNames: ['shard', 'consumer', 'version', 'node', 'reason', 'act', 'result'],
      registers: [this.#registry],
    };
    if (kind === 'gauge') {
      new Gauge({
        ...settings,
        collect() {
          this.reset();
          for (const [labels, value] of values()) this.set(labels, value);
        },
      });
      return;
    }
    new Counter({
      ...settings,
      collect() {
        this.reset();
        for (const [labels, value] of values()) this.inc(labels, value);
      },
    });
  }

  #shards(): readonly ShardStats[] {
    return this.#stats?.shards ?? [];
  }
}

/** A histogram whose buckets are counted elsewhere; prom-client's own takes single values only. */
class SharedHistogram extends PromHistogram {
  /** Supplies the metadata of a histogram: prom-client's own, without values. */
  readonly #shape: PromHistogram;
  readonly #name: string;
  readonly #read: HistogramReader;

  constructor(name: string, help: string, read: HistogramReader) {
    super({ name, help, registers: [] });
    this.#shape = new PromHistogram({ name, help, registers: [] });
    this.#name = name;
    this.#read = read;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const values = this.#read().flatMap(([labels, histogram]) =>
      bucketsOf(this.#name, labels, histogram),
    );
    return { ...(await this.#shape.get()), values };
  }

  /** The registry calls this instead of `get` where a metric has it. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}

function bucketsOf(
  name: string,
  labels: Record<string, string>,
  { bounds, counts, sum }: Histogram,
): MetricValueWithName<string>[] {
  const values: MetricValueWithName<string>[] = [];
  let total = 0;
  for (const [bucket, count] of counts.entries()) {
    total += count;
    const bound = bounds[bucket];
    const le = bound === undefined ? '+Inf' : bound / 1000;
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
  }
  values.push({ metricName: `${name}_sum`, labels, value: sum / 1000 });
  values.push({ metricName: `${name}_count`, labels, value: total });
  return values;
}
