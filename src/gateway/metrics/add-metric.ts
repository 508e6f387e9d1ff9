import { Counter, Gauge, type Registry } from 'prom-client';

/** What a metric has at a request: a value for each set of its labels. Equal sets: the sum of a counter, the last of a gauge. */
export type LabelledValue = readonly [labels: Record<string, string>, value: number];

export type MetricKind = 'counter' | 'gauge';

/** One of a table of metrics about things of the same kind. Names are without the prefix `millrace_`. */
export type MetricOf<T> = readonly [
  kind: MetricKind,
  name: string,
  help: string,
  of: (one: T) => number,
];

/** Adds a metric whose values are counted elsewhere and read at each request. */
export function addMetric(
  registry: Registry,
  kind: MetricKind,
  name: string,
  help: string,
  labelNames: readonly string[],
  values: () => readonly LabelledValue[],
): void {
  const settings = { name: `millrace_${name}`, help, labelNames, registers: [registry] };
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

/** Adds a table of metrics that tell things apart by one label. */
export function addMetricsByLabel<T>(
  registry: Registry,
  metrics: readonly MetricOf<T>[],
  label: string,
  labelled: () => readonly (readonly [value: string, one: T])[],
): void {
  for (const [kind, name, help, of] of metrics) {
    addMetric(registry, kind, name, help, [label], () =>
      labelled().map(([value, one]) => [{ [label]: value }, of(one)]),
    );
  }
}
