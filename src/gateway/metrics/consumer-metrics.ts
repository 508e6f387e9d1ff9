import type { Registry } from 'prom-client';
import type { ConsumerInfo } from '../../protocol/consumers.js';
import { addMetricsByLabel, type MetricOf } from './add-metric.js';

const METRICS: readonly MetricOf<ConsumerInfo>[] = [
  [
    'gauge',
    'consumer_pending',
    'About how many events are to be done, those of others beyond the positions included.',
    (one) => one.pending,
  ],
  ['gauge', 'consumer_in_flight', 'Events leased.', (one) => one.inFlight],
  [
    'gauge',
    'consumer_waiting',
    'Events that wait for their time after a failed attempt.',
    (one) => one.waiting,
  ],
  [
    'gauge',
    'consumer_oldest_age_seconds',
    'Age of the oldest event that is read and not done; 0 if there is none.',
    (one) => (one.oldestAgeMs ?? 0) / 1000,
  ],
  ['gauge', 'consumer_dead', 'Dead events that are kept and were not redriven.', (one) => one.dead],
  ['gauge', 'consumer_letters_due', 'Dead letters not published yet.', (one) => one.lettersDue],
  ['counter', 'consumer_acked_total', 'Events done.', (one) => one.acked],
  [
    'counter',
    'consumer_redelivered_total',
    'Leases that were not the first of their event.',
    (one) => one.redelivered,
  ],
  ['counter', 'consumer_lost_total', 'Events pruned before they were done.', (one) => one.lost],
  [
    'counter',
    'consumer_expired_total',
    'Events that expired before they were done.',
    (one) => one.expired,
  ],
];

/** Metrics of the durable consumers, by name. */
export function addConsumerMetrics(
  registry: Registry,
  consumers: () => readonly ConsumerInfo[],
): void {
  addMetricsByLabel(registry, METRICS, 'consumer', () => consumers().map((one) => [one.name, one]));
}
