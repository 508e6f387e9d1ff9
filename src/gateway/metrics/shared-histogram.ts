import {
  type MetricObjectWithValues,
  type MetricValueWithName,
  Histogram as PromHistogram,
} from 'prom-client';
import type { Histogram } from '../../protocol/bus-api.js';

type HistogramReader = () => readonly (readonly [Record<string, string>, Histogram])[];

/** A histogram whose buckets are counted elsewhere, in milliseconds; prom-client's own takes single values only. */
export class SharedHistogram extends PromHistogram {
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
