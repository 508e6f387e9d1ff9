import { setTimeout as pass } from 'node:timers/promises';
import { Random } from '../../storage/random.js';
import { digestOfEvent } from '../events.js';
import { now } from '../history.js';

/**
 * Reads what is stored, again and again: the newest events of a topic, a topic from where the last reading of it ended,
 * the newest event of each topic, and one event by its id.
 */
const PAUSE_MS = 250;
const KINDS = { newest: 45, range: 25, latest: 15, get: 15 };
/** Patterns whose topics are asked for their newest events. */
const PATTERNS = ['t.*', 't.deep.+', 'jobs.*'];
const RANGES = [20, 200];

export class Asker {
  #bus;
  #history;
  #settings;
  #random;
  #isResting = false;
  #loop = Promise.resolve();
  /** Where the last reading of a topic ended: `{ cursor, sequence }`. */
  #ends = new Map();
  /** The id and topic of an event that was read. */
  #seen;

  constructor({ bus, history, plan, settings }) {
    this.#bus = bus;
    this.#history = history;
    this.#settings = settings;
    this.#random = new Random(plan.seed ^ Number(now() % 0x7fffffff));
  }

  async run() {
    this.#loop = this.#askOn();
    await this.#loop;
  }

  async rest() {
    this.#isResting = true;
    await this.#loop;
  }

  async #askOn() {
    while (!this.#isResting) {
      await this.#ask(this.#question());
      await pass(this.#random.next() * 2 * PAUSE_MS);
    }
  }

  #question() {
    const random = this.#random;
    const topic = random.pick(this.#settings.topics);
    switch (random.pickWeighted(KINDS)) {
      case 'range':
        return this.#rangeOf(topic);
      case 'latest':
        return { kind: 'latest', topic: random.pick(PATTERNS) };
      case 'get':
        if (this.#seen !== undefined) return { kind: 'get', ...this.#seen };
    }
    return { kind: 'newest', topic, limit: random.pick([5, 50]), reverse: true };
  }

  /** It goes on with a topic that it has begun, mostly: what is left out shows only between two answers. */
  #rangeOf(fresh) {
    const random = this.#random;
    const begun = [...this.#ends.keys()];
    const topic = begun.length > 0 && random.chance(0.8) ? random.pick(begun) : fresh;
    const { sequence = 0 } = this.#ends.get(topic) ?? {};
    return { kind: 'range', topic, limit: random.pick(RANGES), after: sequence };
  }

  async #ask(query) {
    const operation = this.#history.invoke('query', query);
    try {
      const events = await this.#answer(query);
      const seen = events.map((event) => {
        const { shard, sequence, id, topic } = event;
        return [shard, sequence, id, topic, digestOfEvent(event)];
      });
      this.#history.write(operation, 'ok', { events: seen });
      if (events.length > 0) {
        const { id, topic } = this.#random.pick(events);
        this.#seen = { id, topic };
      }
    } catch (error) {
      this.#ends.delete(query.topic);
      this.#history.write(operation, 'fail', error.code ?? String(error.stack));
    }
  }

  async #answer({ kind, ...query }) {
    const { topic, limit, id } = query;
    if (kind === 'newest') return this.#bus.query(query);
    if (kind === 'latest') return this.#bus.latest(topic);
    if (kind === 'get') {
      const event = await this.#bus.get(topic, id);
      return event === undefined ? [] : [event];
    }
    const { cursor } = this.#ends.get(topic) ?? {};
    const { events, cursor: end } = await this.#bus.range({ topic, limit, after: cursor });
    if (events.length > 0) this.#ends.set(topic, { cursor: end, sequence: events.at(-1).sequence });
    // Now and then it begins at the beginning again.
    if (this.#random.chance(0.1)) this.#ends.delete(topic);
    return events;
  }
}
