import type { Registry } from 'prom-client';
import type { BusStats } from '../../protocol/bus-api.js';
import { VERSION } from '../version.js';
import { addMetric, type MetricOf } from './add-metric.js';
import { SharedHistogram } from './shared-histogram.js';

const METRICS: readonly MetricOf<BusStats>[] = [
  ['counter', 'gateway_restarts_total', 'Gateway threads replaced.', (b) => b.gatewayRestarts],
  ['gauge', 'subscriptions', 'Subscriptions.', (b) => b.subscriptions],
  ['gauge', 'scheduled_waiting', 'Publishes that wait for their time.', (b) => b.scheduled],
  ['gauge', 'responders', 'Responders of questions.', (b) => b.requests.responders],
  ['gauge', 'requests_pending', 'Requests that wait for their answers.', (b) => b.requests.pending],
  ['counter', 'requests_total', 'Questions that went to a responder.', (b) => b.requests.asked],
  [
    'counter',
    'requests_failed_total',
    'Questions whose responder failed or went, or whose asker waited no more.',
    (b) => b.requests.failed,
  ],
  [
    'counter',
    'requests_unheard_total',
    'Requests that found no responder.',
    (b) => b.requests.noResponders,
  ],
  ['gauge', 'connections', 'WebSocket connections.', (b) => b.connections],
  [
    'gauge',
    'gateways',
    'Gateway threads that listen and whose event loop turns.',
    ({ gateways }) => gateways.filter(({ state }) => state === 'listening').length,
  ],
  ['gauge', 'endpoints', 'Threads attached to the bus.', (b) => b.endpoints],
  ['gauge', 'uptime_seconds', 'Seconds since the bus was opened.', (b) => b.uptimeMs / 1000],
];

/** Metrics of the whole bus. `stats`: undefined before the first were read. */
export function addBusMetrics(registry: Registry, stats: () => BusStats | undefined): void {
  for (const [kind, name, help, of] of METRICS) {
    addMetric(registry, kind, name, help, [], () => {
      const read = stats();
      return read === undefined ? [] : [[{}, of(read)]];
    });
  }
  addMetric(
    registry,
    'gauge',
    'build_info',
    'Always 1; the labels say what runs.',
    ['version', 'node'],
    () => [[{ version: VERSION, node: process.version }, 1]],
  );
  registry.registerMetric(
    new SharedHistogram(
      'millrace_delivery_latency_seconds',
      'Time from recording an event to its arrival in the consuming thread; one in 64 events.',
      () => {
        const read = stats();
        return read === undefined ? [] : [[{}, read.deliveryMs]];
      },
    ),
  );
}
