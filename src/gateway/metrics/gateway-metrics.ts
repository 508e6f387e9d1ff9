import { Registry } from 'prom-client';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { BusStats, ShardStats } from '../../protocol/bus-api.js';
import type { ConsumerInfo } from '../../protocol/consumers.js';
import type { DoorCount } from '../../protocol/door-counts.js';
import { CONSUMER_FIGURES_MS } from '../../protocol/limits/consumers.js';
import { within } from '../../threads/within.js';
import { addMetric } from './add-metric.js';
import { addArchiveMetrics } from './archive-metrics.js';
import { addBusMetrics } from './bus-metrics.js';
import { addConsumerMetrics } from './consumer-metrics.js';
import { addDoorMetrics } from './door-metrics.js';
import { processMetrics } from './process-metrics.js';
import { addShardMetrics } from './shard-metrics.js';
import { addSinkMetrics } from './sink-metrics.js';

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

export class GatewayMetrics {
  readonly #endpoint: Pick<BusEndpoint, 'stats' | 'consumers'>;
  readonly #registry: Registry;
  #stats: BusStats | undefined;
  #consumers: readonly ConsumerInfo[] = [];

  /** `heldBytes`: the bytes that this gateway holds for its clients. `atDoors`: the counts of all doors of the bus. */
  constructor(
    endpoint: Pick<BusEndpoint, 'stats' | 'consumers'>,
    heldBytes: () => number = () => 0,
    atDoors: (count: DoorCount) => number = () => 0,
  ) {
    this.#endpoint = endpoint;
    const registry = new Registry();
    const shards = (): readonly ShardStats[] => this.#stats?.shards ?? [];
    addDoorMetrics(registry, atDoors);
    addMetric(
      registry,
      'gauge',
      'gateway_held_bytes',
      'History, and what waits in sockets, that this gateway thread holds for its clients.',
      [],
      () => [[{}, heldBytes()]],
    );
    addShardMetrics(registry, shards);
    addBusMetrics(registry, () => this.#stats);
    addConsumerMetrics(registry, () => this.#consumers);
    addArchiveMetrics(registry, shards);
    addSinkMetrics(registry, () => this.#stats?.sinks.list ?? []);
    this.#registry = Registry.merge([registry, processMetrics()]);
  }

  /** @throws BusError `BUS_CLOSED` */
  async metrics(): Promise<MetricsText> {
    this.#stats = await this.#endpoint.stats();
    this.#consumers = this.#stats.consumers.count === 0 ? [] : await this.#askForConsumers();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
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
}
