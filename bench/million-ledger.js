import { deferred } from './load.js';

/**
 * A record of the events that one subscriber got. Every event of every publisher must come once, those of one publisher
 * on one topic in the order in which they were published, and sequences must rise on each topic.
 *
 * Publisher p's event n goes to topic n modulo the number of topics, so a publisher's events on a topic are n, n +
 * topics, n + 2 × topics … One number for each publisher and topic says which comes next.
 */
export class Ledger {
  count = 0;
  repeated = 0;
  skipped = 0;
  sequenceFaults = 0;
  #name;
  #topics;
  #expected;
  #next;
  #lastSequence;
  #done = deferred();

  /**
   * @param {string} name
   * @param {{ publishers: number, topics: number, eventsEach: number }} plan
   */
  constructor(name, { publishers, topics, eventsEach }) {
    this.#name = name;
    this.#topics = topics;
    this.#expected = publishers * eventsEach;
    this.#next = Int32Array.from({ length: publishers * topics }, (_, slot) => slot % topics);
    this.#lastSequence = new Float64Array(topics);
  }

  get complete() {
    return this.count >= this.#expected;
  }

  get done() {
    return this.#done.promise;
  }

  /** @param {import('millrace').Event<any>} event */
  enter({ payload, sequence = 0 }) {
    const { publisher, n } = /** @type {{ publisher: number, n: number }} */ (payload);
    const topic = n % this.#topics;
    const slot = publisher * this.#topics + topic;
    const next = this.#next[slot] ?? 0;
    if (n < next) this.repeated += 1;
    else {
      if (n > next) this.skipped += (n - next) / this.#topics;
      this.#next[slot] = n + this.#topics;
    }
    if (sequence <= (this.#lastSequence[topic] ?? 0)) this.sequenceFaults += 1;
    this.#lastSequence[topic] = sequence;
    this.count += 1;
    if (this.complete) this.#done.resolve();
  }

  result() {
    const { count, repeated, skipped, sequenceFaults } = this;
    const right =
      count === this.#expected && repeated === 0 && skipped === 0 && sequenceFaults === 0;
    return { name: this.#name, count, repeated, skipped, sequenceFaults, right };
  }
}
