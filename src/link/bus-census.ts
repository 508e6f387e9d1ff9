/**
 * What all threads of a bus count together, besides what each shard counts (`shard-control.ts`): endpoints, connections
 * of its gateways, and how long sampled events took from their shard to an endpoint. Any thread writes it, so every
 * word is added to atomically.
 *
 * ```
 *   0  i32 × 2                        ENDPOINTS · CONNECTIONS
 *   8  i64                            sum of the delivery times, µs
 *  16  i64 × HISTOGRAM_BUCKETS        delivery times by bucket
 * ```
 */

import type { Histogram } from '../protocol/bus-api.js';
import { bucketOf, HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS } from './histogram.js';

const ENDPOINTS = 0;
const CONNECTIONS = 1;
const COUNTS = 2;
const SUM = 0;
const BUCKETS = 1;

export class BusCensus {
  readonly #counts: Int32Array;
  readonly #times: BigInt64Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.#counts = new Int32Array(buffer, 0, COUNTS);
    this.#times = new BigInt64Array(buffer, COUNTS * 4, BUCKETS + HISTOGRAM_BUCKETS);
  }

  static create(): BusCensus {
    return new BusCensus(new SharedArrayBuffer(COUNTS * 4 + (BUCKETS + HISTOGRAM_BUCKETS) * 8));
  }

  get endpoints(): number {
    return Atomics.load(this.#counts, ENDPOINTS);
  }

  set endpoints(count: number) {
    Atomics.store(this.#counts, ENDPOINTS, count);
  }

  get connections(): number {
    return Atomics.load(this.#counts, CONNECTIONS);
  }

  addConnections(change: number): void {
    Atomics.add(this.#counts, CONNECTIONS, change);
  }

  noteDelivery(milliseconds: number): void {
    Atomics.add(this.#times, SUM, BigInt(Math.round(milliseconds * 1000)));
    Atomics.add(this.#times, BUCKETS + bucketOf(milliseconds), 1n);
  }

  get delivery(): Histogram {
    const counts = Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) =>
      Number(Atomics.load(this.#times, BUCKETS + bucket)),
    );
    const sum = Number(Atomics.load(this.#times, SUM)) / 1000;
    return { bounds: HISTOGRAM_BOUNDS_MS, counts, sum };
  }
}
