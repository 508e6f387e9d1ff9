import { check } from './harness.js';

/**
 * The load that the benches put on a bus: events, a publisher with a bounded window, and a subscriber that counts and
 * checks that no event is missing, repeated or out of order.
 */

/** The bytes of a bench's event as JSON, with id, timestamp, shard and sequence. */
export const EVENT_BYTES = 269;
const DETAIL = 'the step is finished and its result was handed onward';
const SAMPLE = {
  id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  ...makeInput('load.0000', 0),
  timestamp: '2026-01-01T00:00:00.000Z',
  shard: 0,
  sequence: 100_000,
};
if (JSON.stringify(SAMPLE).length !== EVENT_BYTES) {
  throw new Error(`the events are ${JSON.stringify(SAMPLE).length} bytes, not ${EVENT_BYTES}`);
}

/**
 * An event as the benches publish it. With id, timestamp, shard and sequence it is `EVENT_BYTES` of JSON.
 * @param {string} topic
 * @param {number} n
 */
export function makeInput(topic, n) {
  return {
    topic,
    type: 'task_progress',
    source: 'bench',
    payload: { n: 1_000_000 + n, state: 'running', detail: DETAIL },
  };
}

/** @param {number} count */
export function topicNames(count) {
  return Array.from({ length: count }, (_, index) => `load.${String(index).padStart(4, '0')}`);
}

/** A small random number generator with a seed, so that every run publishes the same events. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** @param {number} limit @returns {number} 0 to `limit` - 1 */
  below(limit) {
    // xorshift32 (Marsaglia, 2003)
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

/** A promise and the function that resolves it. */
export function deferred() {
  /** @type {() => void} */
  let resolve = () => {};
  const promise = /** @type {Promise<void>} */ (
    new Promise((settle) => {
      resolve = settle;
    })
  );
  return { promise, resolve };
}

/**
 * Publishes with a bounded number of events in flight: a batch is sent once the batch a window before it has been
 * acknowledged.
 * @param {Pick<import('millrace').BusEndpoint, 'publish' | 'publishMany'>} bus a bus or a client
 * @param {number} events
 * @param {{ batch: number, window: number, input: (n: number) => import('millrace').EventInput }} options
 */
export async function publishWindowed(bus, events, { batch, window, input }) {
  const slots = Math.max(1, Math.floor(window / batch));
  /** @type {(Promise<unknown> | undefined)[]} */
  const inFlight = new Array(slots).fill(undefined);
  /** @type {unknown} */
  let failure;
  const keep = (/** @type {unknown} */ error) => {
    failure ??= error;
  };
  for (let from = 0, slot = 0; from < events; from += batch, slot = (slot + 1) % slots) {
    await inFlight[slot];
    if (failure !== undefined) throw failure;
    const to = Math.min(from + batch, events);
    if (batch === 1) {
      inFlight[slot] = bus.publish(input(from)).catch(keep);
      continue;
    }
    const inputs = [];
    for (let n = from; n < to; n += 1) inputs.push(input(n));
    inFlight[slot] = bus.publishMany(inputs).catch(keep);
  }
  await Promise.all(inFlight);
  if (failure !== undefined) throw failure;
}

/**
 * Counts the events of a subscription, resolves `done` when all have come, and checks that none was missing or
 * repeated.
 */
export class Counter {
  count = 0;
  /** How many events did not have the sequence after the last one of their shard. */
  misplaced = 0;
  #expected;
  /** @type {number[]} */
  #last = [];
  #done = deferred();

  /** @param {number} expected */
  constructor(expected) {
    this.#expected = expected;
  }

  get done() {
    return this.#done.promise;
  }

  /** @param {import('millrace').Event} event */
  see = (event) => {
    const { shard, sequence = 0 } = event;
    if (sequence !== (this.#last[shard] ?? 0) + 1) this.misplaced += 1;
    this.#last[shard] = sequence;
    this.count += 1;
    if (this.count === this.#expected) this.#done.resolve();
  };

  /** @param {string} who */
  verify(who) {
    check(this.count === this.#expected, `${who} got ${this.count} of ${this.#expected} events`);
    check(this.misplaced === 0, `${who} got ${this.misplaced} events out of their place`);
  }
}
