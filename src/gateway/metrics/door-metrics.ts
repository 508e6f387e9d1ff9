import type { Registry } from 'prom-client';
import type { DoorCount } from '../../protocol/door-counts.js';
import { addMetric } from './add-metric.js';

const FAILURES = ['missing', 'refused', 'unavailable', 'limited'] as const;
const ACTS = [
  ...(['backup', 'prune', 'disconnect', 'setAlert', 'removeAlert'] as const),
  ...(['setConsumer', 'alterConsumer', 'deleteConsumer'] as const),
];
const RESULTS = ['done', 'refused', 'failed', 'limited'] as const;

/** Metrics of what was decided at the doors of all gateways. */
export function addDoorMetrics(registry: Registry, atDoors: (count: DoorCount) => number): void {
  addMetric(
    registry,
    'counter',
    'auth_failures_total',
    'Sign-ins that failed: no token, one that was refused, no way to judge it, or too many.',
    ['reason'],
    () => FAILURES.map((reason) => [{ reason }, atDoors(`signIn.${reason}`)]),
  );
  addMetric(
    registry,
    'counter',
    'admin_total',
    'Administrative acts, by how they ended.',
    ['act', 'result'],
    () =>
      ACTS.flatMap((act) =>
        RESULTS.map((result) => [{ act, result }, atDoors(`${act}.${result}`)] as const),
      ),
  );
}
