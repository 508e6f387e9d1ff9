/**
 * Counters that all threads of a bus share, besides those of each shard (`shard-control.ts`): endpoints, connections
 * and gateways, and how long sampled events took from their shard to an endpoint. Any thread may write them, so every
 * change is atomic.
 *
 * ```
 *   0  i32 × 2                        ENDPOINTS · GATEWAY_RESTARTS
 *      i32 × ENDPOINT_SHARES          connections of each endpoint
 *      i32 × ENDPOINT_SHARES          subscriptions of each endpoint
 *      i32 × 3 × GATEWAYS_MAX         of each gateway's thread: STATE · RESTARTS · TURNED_AT
 *      i32 × DOOR_COUNTS              what the doors count: see src/protocol/door-counts.ts
 *      i32 × REQUEST_COUNTS           questions and responders: the fields of `RequestTotals`
 *      i64                            sum of the delivery times, µs
 *      i64 × HISTOGRAM_BUCKETS        delivery times by bucket
 * ```
 *
 * A thread that dies cannot subtract what it has counted. Therefore each endpoint counts in its own share, which is
 * emptied when the endpoint is dismissed. Endpoints beyond the number of shares count in the last share, which is never
 * emptied.
 */

import type { Histogram, RequestTotals } from '../protocol/bus-api.js';
import { DOOR_COUNTS, type DoorCount } from '../protocol/door-counts.js';
import { ENDPOINT_SHARES, GATEWAYS_MAX } from '../protocol/limits/links.js';
import { bucketOf, HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS } from './histogram.js';

const ENDPOINTS = 0;
const GATEWAY_RESTARTS = 1;
const CONNECTIONS = 2;
const SUBSCRIPTIONS = CONNECTIONS + ENDPOINT_SHARES;
const GATEWAYS = SUBSCRIPTIONS + ENDPOINT_SHARES;
const GATEWAY_WORDS = 3;
const DOORS = GATEWAYS + GATEWAYS_MAX * GATEWAY_WORDS;
const REQUEST_COUNTS = [
  'responders',
  'pending',
  'asked',
  'answered',
  'failed',
  'noResponders',
] as const satisfies readonly (keyof RequestTotals)[];
const REQUESTS = DOORS + DOOR_COUNTS.length;
/** Rounded up to whole 64-bit words, which follow. */
const COUNTS = (REQUESTS + REQUEST_COUNTS.length + 1) & ~1;
const SUM = 0;
const BUCKETS = 1;

const STATE = 0;
const RESTARTS = 1;
const TURNED_AT = 2;

/** States of a gateway's thread; `GATEWAY_NONE`: the place is free. */
export const GATEWAY_NONE = 0;
export const GATEWAY_STARTING = 1;
export const GATEWAY_LISTENING = 2;
export const GATEWAY_RESTARTING = 3;
export const GATEWAY_FAILED = 4;

export interface GatewayCount {
  readonly gateway: number;
  readonly state: number;
  readonly restarts: number;
  /** Seconds since the gateway's event loop last turned. */
  readonly silentSeconds: number;
}

export class BusCounters {
  readonly #counts: Int32Array;
  readonly #times: BigInt64Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.#counts = new Int32Array(buffer, 0, COUNTS);
    this.#times = new BigInt64Array(buffer, COUNTS * 4, BUCKETS + HISTOGRAM_BUCKETS);
  }

  static create(): BusCounters {
    return new BusCounters(new SharedArrayBuffer(COUNTS * 4 + (BUCKETS + HISTOGRAM_BUCKETS) * 8));
  }

  get endpoints(): number {
    return Atomics.load(this.#counts, ENDPOINTS);
  }

  set endpoints(count: number) {
    Atomics.store(this.#counts, ENDPOINTS, count);
  }

  get connections(): number {
    return this.#sum(CONNECTIONS);
  }

  addConnections(share: number, change: number): void {
    Atomics.add(this.#counts, CONNECTIONS + share, change);
  }

  get subscriptions(): number {
    return this.#sum(SUBSCRIPTIONS);
  }

  addSubscriptions(share: number, change: number): void {
    Atomics.add(this.#counts, SUBSCRIPTIONS + share, change);
  }

  /** Drops the counts of an endpoint that is gone. */
  emptyShare(share: number): void {
    Atomics.store(this.#counts, CONNECTIONS + share, 0);
    Atomics.store(this.#counts, SUBSCRIPTIONS + share, 0);
  }

  /** Takes a place for a gateway's thread, to be given back with `leaveGateway`; `undefined` if all are taken. */
  enterGateway(): number | undefined {
    for (let gateway = 0; gateway < GATEWAYS_MAX; gateway++) {
      const word = wordOf(gateway, STATE);
      const before = Atomics.compareExchange(this.#counts, word, GATEWAY_NONE, GATEWAY_STARTING);
      if (before === GATEWAY_NONE) return gateway;
    }
    return undefined;
  }

  leaveGateway(gateway: number): void {
    Atomics.store(this.#counts, wordOf(gateway, RESTARTS), 0);
    Atomics.store(this.#counts, wordOf(gateway, STATE), GATEWAY_NONE);
  }

  setGateway(gateway: number, state: number): void {
    this.noteTurn(gateway);
    Atomics.store(this.#counts, wordOf(gateway, STATE), state);
  }

  noteGatewayRestart(gateway: number): void {
    Atomics.add(this.#counts, GATEWAY_RESTARTS, 1);
    Atomics.add(this.#counts, wordOf(gateway, RESTARTS), 1);
  }

  /** Restarts of all gateways, past ones included. */
  get gatewayRestarts(): number {
    return Atomics.load(this.#counts, GATEWAY_RESTARTS);
  }

  /** Notes that the gateway's event loop turns. */
  noteTurn(gateway: number): void {
    Atomics.store(this.#counts, wordOf(gateway, TURNED_AT), seconds());
  }

  get gateways(): readonly GatewayCount[] {
    const counts: GatewayCount[] = [];
    for (let gateway = 0; gateway < GATEWAYS_MAX; gateway++) {
      const of = (word: number): number => Atomics.load(this.#counts, wordOf(gateway, word));
      const state = of(STATE);
      if (state === GATEWAY_NONE) continue;
      const silentSeconds = seconds() - of(TURNED_AT);
      counts.push({ gateway, state, restarts: of(RESTARTS), silentSeconds });
    }
    return counts;
  }

  get requests(): RequestTotals {
    const of = (count: keyof RequestTotals): number =>
      Atomics.load(this.#counts, REQUESTS + REQUEST_COUNTS.indexOf(count)) >>> 0;
    return {
      responders: of('responders'),
      pending: of('pending'),
      asked: of('asked'),
      answered: of('answered'),
      failed: of('failed'),
      noResponders: of('noResponders'),
    };
  }

  addRequests(count: keyof RequestTotals, change: number): void {
    Atomics.add(this.#counts, REQUESTS + REQUEST_COUNTS.indexOf(count), change);
  }

  noteAtDoor(count: DoorCount): void {
    Atomics.add(this.#counts, DOORS + DOOR_COUNTS.indexOf(count), 1);
  }

  atDoors(count: DoorCount): number {
    return Atomics.load(this.#counts, DOORS + DOOR_COUNTS.indexOf(count)) >>> 0;
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

  /** Over the shares of all endpoints. */
  #sum(from: number): number {
    let sum = 0;
    for (let share = 0; share < ENDPOINT_SHARES; share++) {
      sum += Atomics.load(this.#counts, from + share);
    }
    return sum;
  }
}

/** Assigns each endpoint its share. Used by the thread that admits endpoints. */
export class EndpointShares {
  readonly #busCounters: BusCounters;
  readonly #free = Array.from({ length: ENDPOINT_SHARES - 1 }, (_, share) => share);

  constructor(busCounters: BusCounters) {
    this.#busCounters = busCounters;
  }

  take(): number {
    return this.#free.shift() ?? ENDPOINT_SHARES - 1;
  }

  /** Empties and frees the share of an endpoint that is gone. */
  giveBack(share: number): void {
    if (share === ENDPOINT_SHARES - 1) return;
    this.#busCounters.emptyShare(share);
    this.#free.push(share);
  }
}

function wordOf(gateway: number, word: number): number {
  return GATEWAYS + gateway * GATEWAY_WORDS + word;
}

/** Seconds of a monotonic clock that all threads share. */
function seconds(): number {
  return process.hrtime()[0];
}
