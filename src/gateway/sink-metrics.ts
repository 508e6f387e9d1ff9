import { Counter, Gauge, type Registry } from 'prom-client';
import type { SinkFigures } from '../protocol/sink-figures.js';

/**
 * Metrics of the sinks that run on the bus. The labels have at most one value for each sink that `stats` names; sinks of the
 * same name and kind, as in several threads, are one.
 */
export function addSinkMetrics(registry: Registry, sinks: () => readonly SinkFigures[]): void {
  const settings = { labelNames: ['sink', 'kind'], registers: [registry] };
  addGauge('up', '1 where the sink works, or tries again by itself; 0 where it has ended.', isUp);
  addGauge(
    'pending',
    'About how many events or rows it has not handled yet.',
    (one) => one.pending,
  );
  const counters = [
    ['done', 'Events that the sink has finished.'],
    ['failed', 'Attempts of the sink that have failed.'],
    ['restarts', 'Times that the sink was started again after it had ended with an error.'],
  ] as const;
  for (const [field, help] of counters) {
    new Counter({
      ...settings,
      name: `millrace_sink_${field}_total`,
      help,
      collect() {
        this.reset();
        for (const sink of sinks()) this.inc(labelsOf(sink), sink[field]);
      },
    });
  }

  /** Of sinks of the same labels, the least. */
  function addGauge(
    field: string,
    help: string,
    figureOf: (sink: SinkFigures) => number | undefined,
  ): void {
    new Gauge({
      ...settings,
      name: `millrace_sink_${field}`,
      help,
      collect() {
        this.reset();
        const values = sinks().flatMap((sink) => {
          const value = figureOf(sink);
          return value === undefined ? [] : [{ sink, value }];
        });
        // The least is set last.
        values.sort((a, b) => b.value - a.value);
        for (const { sink, value } of values) this.set(labelsOf(sink), value);
      },
    });
  }
}

function labelsOf({ name, kind }: SinkFigures): { sink: string; kind: string } {
  return { sink: name, kind };
}

/** One that waits to be started again has ended. */
function isUp({ state, retryAt }: SinkFigures): number {
  return state === 'running' || (state === 'waiting' && retryAt === undefined) ? 1 : 0;
}
