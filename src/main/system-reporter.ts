import { SYSTEM_TOPICS, SYSTEM_TYPES, type SystemPublish } from '../endpoint/system-events.js';
import type { BusStats } from '../protocol/bus-api.js';

export interface SystemEventOptions {
  readonly persist: boolean;
  readonly healthIntervalMs: number;
  readonly metricsIntervalMs: number;
}

/** Publishes the bus's health and metrics at intervals, in the thread that opened it; ends with `stop()`. */
export class SystemReporter {
  readonly #publish: SystemPublish;
  readonly #stats: () => Promise<BusStats>;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(publish: SystemPublish, stats: () => Promise<BusStats>) {
    this.#publish = publish;
    this.#stats = stats;
  }

  start({ healthIntervalMs, metricsIntervalMs }: SystemEventOptions): void {
    this.#every(healthIntervalMs, () => this.#publishHealth());
    this.#every(metricsIntervalMs, () => this.#publishMetrics());
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  #every(intervalMs: number, publish: () => Promise<void>): void {
    if (intervalMs === 0) return;
    // `stats` rejects if the bus closes meanwhile; the close publishes an event of its own.
    this.#timers.push(setInterval(() => void publish().catch(() => {}), intervalMs).unref());
  }

  async #publishHealth(): Promise<void> {
    const { uptimeMs, shards, gateways } = await this.#stats();
    const states = shards.map(({ shard, state, restarts }) => ({ shard, state, restarts }));
    const isHealthy =
      states.every(({ state }) => state === 'running') &&
      gateways.every(({ state }) => state === 'listening');
    const status = isHealthy ? 'ok' : 'degraded';
    const payload = { status, uptimeMs, shards: states, gateways };
    this.#publish(SYSTEM_TOPICS.health, SYSTEM_TYPES.health, payload);
  }

  async #publishMetrics(): Promise<void> {
    this.#publish(SYSTEM_TOPICS.metrics, SYSTEM_TYPES.metrics, await this.#stats());
  }
}
