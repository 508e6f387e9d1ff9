import { Counter, Gauge, type Registry } from 'prom-client';
import type { SinkFigures } from '../protocol/sink-figures.js';

/** Metrics of the sinks that `millrace serve` runs. The label has at most one value for each section of its file. */
export function addSinkMetrics(registry: Registry, sinks: () => readonly SinkFigures[]): void {
  const settings = { labelNames: ['sink', 'kind'], registers: [registry] };
  const labelsOf = ({ name, kind }: SinkFigures) => ({ sink: name, kind });
  new Gauge({
    ...settings,
    name: 'millrace_sink_up',
    help: '1 where the sink works, or tries again by itself.',
    collect() {
      this.reset();
      for (const sink of sinks()) {
        this.set(labelsOf(sink), sink.state === 'running' || sink.state === 'waiting' ? 1 : 0);
      }
    },
  });
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
}
