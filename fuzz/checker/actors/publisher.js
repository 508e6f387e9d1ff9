import { setTimeout as pass } from 'node:timers/promises';
import { Random } from '../../storage/random.js';
import { now } from '../history.js';
import { eventOf } from '../plan.js';

/**
 * Publishes in every way that a bus has, and writes down what became of it. It works on a bus, a client, or `HttpBus`.
 * What its last life left without an outcome it publishes again, under the same ids, for half as long as these are remembered.
 */
const WAYS = {
  one: 40,
  many: 12,
  atomic: 6,
  ephemeral: 6,
  expect: 6,
  twin: 6,
  repeat: 6,
  brief: 4,
  later: 5,
};
const OF_JOBS = { one: 40, many: 10, repeat: 6 };
/** How often an unknown outcome is tried again, and after how long, ms. */
const TRIES = 200;
const AGAIN_MS = 100;
/** How likely a publish that waits is cancelled. */
const CANCELLED = 0.3;
const NS_PER_MS = 1e6;
/** So many events make a publisher busy. */
const BUSY = 40;
/** Of a publish whose outcome the caller cannot know. */
const UNKNOWN = new Set(['PUBLISH_UNKNOWN', 'CONNECTION_FAILED', 'TIMEOUT', 'ABORTED']);

export class Publisher {
  #bus;
  #history;
  #plan;
  #settings;
  #random;
  #open = new Set();
  #onBusy;
  #isResting = false;
  #next;
  /** The last sequence of the topic of expectations, as far as this publisher knows. */
  #last = 'none';
  /** Events that were stored, to be repeated, and when that was known. */
  #stored = [];

  /** @param onBusy called once it has published a good deal, over all its lives */
  constructor({ bus, history, plan, settings, onBusy }) {
    this.#onBusy = onBusy;
    this.#bus = bus;
    this.#history = history;
    this.#plan = plan;
    this.#settings = settings;
    this.#random = new Random(plan.seed ^ Number(now() % 0x7fffffff));
    this.#next = history.events;
  }

  async run() {
    const random = this.#random;
    const { perSecond, window, isOfJobs } = this.#settings;
    for (const { kind, args, firstAt } of [...this.#history.open.values()]) {
      if (kind === 'publish') this.#follow(this.#again(args, firstAt));
    }
    while (!this.#isResting) {
      if (this.#open.size >= window) await Promise.race(this.#open);
      await pass((-Math.log(1 - random.next()) * 1000) / perSecond);
      if (this.#isResting) break;
      const way = random.pickWeighted(isOfJobs ? OF_JOBS : WAYS);
      if (way !== 'later' || this.#plan.isTimed) this.#follow(this.#publish(way));
    }
  }

  /** Begins nothing more; resolves when all that was begun has an outcome. */
  async rest() {
    this.#isResting = true;
    await Promise.all(this.#open);
  }

  #follow(promise) {
    const open = promise.finally(() => this.#open.delete(open));
    this.#open.add(open);
  }

  async #publish(way) {
    const random = this.#random;
    const { topics } = this.#settings;
    const durability = random.chance(0.3) ? 'written' : 'synced';
    const topic = random.pick(topics);
    if (this.#next >= BUSY) this.#onBusy();
    const fresh = (on = topic) => [`${this.#history.name}-${this.#next++}`, on];
    switch (way) {
      case 'one':
        return this.#call([fresh()], { durability });
      case 'many': {
        const count = 2 + random.below(20);
        const named = Array.from({ length: count }, () => fresh(random.pick(topics)));
        return this.#call(named, { durability });
      }
      case 'atomic': {
        const named = Array.from({ length: 2 + random.below(5) }, () => fresh());
        return this.#call(named, { durability, atomic: true });
      }
      case 'ephemeral':
        return this.#call([fresh()], { ephemeral: true });
      case 'expect':
        return this.#call([fresh('t.chain')], {
          durability,
          expect: this.#last,
        });
      case 'brief':
        return this.#call([fresh('t.brief')], {
          durability,
          ttlMs: 50 + random.below(1500),
        });
      case 'later': {
        const [id, on] = fresh('t.later');
        await this.#call([[id, on]], { durability, delayMs: 100 + random.below(2500) });
        if (random.chance(CANCELLED)) await this.#cancel(id, on);
        return;
      }
      case 'twin': {
        const [id] = fresh();
        const other = random.pick(topics.filter((one) => one !== topic));
        await this.#call([[id, topic]], { durability });
        return this.#call([[id, other]], { durability });
      }
      default: {
        // Later it would be another event.
        const since = now() - this.#rememberedNs;
        const young = this.#stored.filter(({ at }) => at > since);
        const stored = young[random.below(young.length)];
        return stored && this.#call([stored.named], { durability }, stored.at);
      }
    }
  }

  /** Publishes what the last life left open. */
  async #again({ events, ephemeral, ttlMs, ...terms }, firstAt) {
    // Nobody can tell whether it was delivered, or how long it has lived.
    if (ephemeral || ttlMs !== undefined) return;
    await this.#call(events, terms, firstAt);
  }

  /** One publish, until its outcome is known. */
  async #call(named, terms, firstAt = now()) {
    const events = named.map(([id, topic]) => eventOf(this.#plan, id, topic));
    // A try may take long; and what comes after the window is another event.
    const lastAt = firstAt + this.#rememberedNs;
    for (let tries = 0; tries < TRIES && now() < lastAt; tries++) {
      if ((await this.#once(events, terms)) || terms.ephemeral || terms.ttlMs) return;
      await pass(AGAIN_MS);
    }
  }

  async #once(events, terms) {
    const entries = events.map(({ entry }) => entry);
    const operation = this.#history.invoke('publish', {
      events: entries,
      ...terms,
    });
    try {
      const acks = await this.#send(events, terms);
      const { epoch } = this.#bus;
      this.#history.write(operation, 'ok', { epoch, acks: acks.map(ackOf) });
      this.#learn(events, acks, terms);
      return true;
    } catch (error) {
      return this.#failed(operation, error, terms);
    }
  }

  /** Takes back a publish that waits, or did. */
  async #cancel(id, topic) {
    const operation = this.#history.invoke('cancel', { id, topic });
    try {
      const cancelled = await this.#bus.cancel(id, topic);
      this.#history.write(operation, 'ok', { cancelled });
    } catch (error) {
      this.#history.write(operation, 'unknown', error.code ?? String(error.stack));
    }
  }

  #send(events, { durability, ephemeral, atomic, expect, ttlMs, delayMs }) {
    const inputs = events.map(({ input, text }) => this.#bus.inputOf(input, text));
    const options = ephemeral ? { persist: false } : { durability };
    if (ttlMs !== undefined) Object.assign(options, { ttlMs });
    if (delayMs !== undefined) Object.assign(options, { delayMs });
    if (expect !== undefined) {
      Object.assign(options, {
        expect: expect === 'none' ? expect : { sequence: expect },
      });
    }
    if (atomic) return this.#bus.publishMany(inputs, { ...options, atomic });
    if (inputs.length > 1) return this.#bus.publishMany(inputs, options);
    return this.#bus.publish(inputs[0], options).then((ack) => [ack]);
  }

  #learn(events, acks, { ephemeral, expect, ttlMs, delayMs }) {
    if (expect !== undefined) this.#last = acks[0].sequence;
    if (ephemeral || ttlMs || delayMs || expect !== undefined) return;
    const { id, topic } = events[0].input;
    if (acks[0].duplicate) return;
    const one = { named: [id, topic], at: now() };
    if (this.#stored.length < 100) this.#stored.push(one);
    else this.#stored[this.#random.below(100)] = one;
  }

  /** Half as long as ids are remembered. */
  get #rememberedNs() {
    return (this.#plan.bus.dedupeWindowMs / 2) * NS_PER_MS;
  }

  /** @returns whether the outcome is known */
  #failed(operation, error, { expect, ephemeral }) {
    const { code = 'UNTYPED', details = {} } = error;
    const isUnknown = UNKNOWN.has(code) || (ephemeral && code === 'SHARD_RESTARTED');
    const stored = (details.stored ?? []).map((index, at) => [index, ...ackOf(details.acks[at])]);
    const more = { epoch: this.#bus.epoch, stored, unknown: details.unknown };
    this.#history.write(operation, isUnknown ? 'unknown' : 'fail', code, more);
    if (code === 'CONFLICT' && expect !== undefined) this.#last = details.sequence ?? 'none';
    if (code === 'UNTYPED') this.#history.write(operation, 'problem', String(error.stack));
    return !isUnknown;
  }
}

function ackOf({ shard, sequence = 0, durability, duplicate }) {
  return [shard, sequence, durability, duplicate ? 1 : 0];
}
