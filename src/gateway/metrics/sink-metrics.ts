import type { Registry } from 'prom-client';
import type { SinkFigures } from '../../protocol/sink-figures.js';
import { addMetric, type LabelledValue } from './add-metric.js';

const LABELS = ['sink', 'kind'] as const;

const COUNTERS = [
  ['done', 'Events that the sink has finished.'],
  ['failed', 'Attempts of the sink that have failed.'],
  ['restarts', 'Times that the sink was started again after it had ended with an error.'],
] as const;

/**
 * Metrics of the sinks that run on the bus. The labels have at most one value for each sink that `stats` names; sinks of the
 * same name and kind, as in several threads, are one: it is down if one of them is, and as far behind as the last of them.
 */
export function addSinkMetrics(registry: Registry, sinks: () => readonly SinkFigures[]): void {
  addMetric(
    registry,
    'gauge',
    'sink_up',
    '1 where the sink works, or tries again by itself; 0 where it has ended, also until the server starts it again.',
    LABELS,
    // Of equal labels a gauge shows the last.
    () => valuesOf(sinks(), isUp).sort(([, a], [, b]) => b - a),
  );
  addMetric(
    registry,
    'gauge',
    'sink_pending',
    'About how many events or rows it has not handled yet.',
    LABELS,
    () => valuesOf(sinks(), ({ pending }) => pending).sort(([, a], [, b]) => a - b),
  );
  for (const [field, help] of COUNTERS) {
    addMetric(registry, 'counter', `sink_${field}_total`, help, LABELS, () =>
      valuesOf(sinks(), (sink) => sink[field]),
    );
  }
}

/** Leaves out sinks that do not have the figure. */
function valuesOf(
  sinks: readonly SinkFigures[],
  figureOf: (sink: SinkFigures) => number | undefined,
): LabelledValue[] {
  return sinks.flatMap((sink): LabelledValue[] => {
    const value = figureOf(sink);
    return value === undefined ? [] : [[{ sink: sink.name, kind: sink.kind }, value]];
  });
}

/** One that waits to be started again has ended. */
function isUp({ state, retryAt }: SinkFigures): number {
  return state === 'running' || (state === 'waiting' && retryAt === undefined) ? 1 : 0;
}
