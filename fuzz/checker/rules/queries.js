import { BRIEF, STORED } from './attempts.js';
import { matches } from './matching.js';

/**
 * Judges answers to queries. All that comes was published (C2), is in its place (C3), and as it was sent (C5). An event
 * that was acknowledged before the query began, and that the query asks for, is part of the answer (C1). Besides:
 *
 * - the newest events of a topic, and a topic behind a cursor, come in order, with none left out (C4);
 * - of the newest event of each topic, none is older than one that was acknowledged before (C4);
 * - one event by its id is that one (C4).
 */

export class QueryRule {
  queries = 0;
  #name;
  #terms;
  #attempts;
  #places;
  #say;
  #topics;
  #open = new Map();

  /** @param topics the events of each topic in the log, by their sequences */
  constructor(name, terms, { attempts, places, say, topics }) {
    this.#name = name;
    this.#terms = terms;
    this.#attempts = attempts;
    this.#places = places;
    this.#say = say;
    this.#topics = topics;
  }

  take(/** @type {any[]} */ [at, operation, entry, ...rest]) {
    if (entry === 'start') this.#open.clear();
    else if (entry === 'invoke') this.#open.set(operation, { at, ...rest[1] });
    else if (entry === 'ok' && this.#open.has(operation)) {
      this.queries++;
      this.#judge(this.#open.get(operation), rest[0].events);
      this.#open.delete(operation);
    } else this.#open.delete(operation);
  }

  #judge(query, events) {
    if (!events.every((event) => this.#isKnown(query, event))) return;
    switch (query.kind) {
      case 'range':
        return this.#judgeRange(query, events);
      case 'latest':
        return this.#judgeLatest(query, events);
      case 'get':
        return this.#judgeGet(query, events);
      default:
        return this.#judgeNewest(query, events);
    }
  }

  #isKnown(query, [shard, sequence, id, topic, digest]) {
    const attempts = this.#attempts;
    const where = `${this.#name} read ${id} on ${topic} at ${shard}:${sequence}`;
    const reference = attempts.find(id, topic);
    if (reference === undefined) {
      this.#say('C2', `${where}, which nobody tried to publish`);
      return false;
    }
    const sent = [attempts.get(reference, 'digest'), attempts.get(reference, 'parsed')];
    if (!sent.includes(digest)) this.#say('C5', `${where} not as it was sent`);
    if (!matches(query.topic, topic) || (query.id ?? id) !== id) {
      this.#say('C4', `${where}, and asked for ${query.id ?? 'events'} on ${query.topic}`);
    }
    this.#places.note(this.#terms.epoch, shard, sequence, reference, this.#name);
    return true;
  }

  #judgeNewest(query, events) {
    const sequences = events.map(([, sequence]) => sequence);
    this.#judgeOrder(query, [...sequences].reverse());
    const from = events.length < query.limit ? 1 : sequences.at(-1);
    this.#judgeLeftOut(query, sequences, { from, to: Number.POSITIVE_INFINITY });
  }

  #judgeRange(query, events) {
    const sequences = events.map(([, sequence]) => sequence);
    this.#judgeOrder(query, [query.after, ...sequences]);
    const to = events.length < query.limit ? Number.POSITIVE_INFINITY : sequences.at(-1);
    this.#judgeLeftOut(query, sequences, { from: query.after + 1, to });
  }

  #judgeOrder({ topic }, sequences) {
    for (let at = 1; at < sequences.length; at++) {
      if (sequences[at] > sequences[at - 1]) continue;
      const [one, other] = sequences.slice(at - 1, at + 1);
      this.#say('C4', `${this.#name} asked for ${topic} and got ${one} and ${other} in this order`);
    }
  }

  /** What was acknowledged before the query began, or stands between events of the answer, is part of the answer. */
  #judgeLeftOut(query, sequences, { from, to }) {
    const got = new Set(sequences);
    const newest = Math.max(0, ...sequences);
    const all = this.#topics.of(query.topic);
    for (let at = all.length - 1; at >= 0; at--) {
      const { sequence, reference } = all[at];
      if (sequence < from) return;
      if (sequence > to || got.has(sequence) || !this.#isThere(reference)) continue;
      if (sequence > newest && !this.#isDue(reference, query)) continue;
      const rule = sequence < newest ? 'C4' : 'C1';
      const what = this.#attempts.nameOf(reference);
      this.#say(rule, `${this.#name} asked for ${query.topic} and did not get ${what}`);
      return;
    }
  }

  #judgeLatest(query, events) {
    const newest = new Map();
    for (const [, sequence, id, topic] of events) {
      if (sequence <= (newest.get(topic) ?? 0)) {
        this.#say('C4', `${this.#name} asked for the newest of ${topic} and got ${id} as well`);
      }
      newest.set(topic, sequence);
    }
    for (const topic of this.#topics.names()) {
      if (!matches(query.topic, topic)) continue;
      const due = this.#topics
        .of(topic)
        .findLast(({ reference }) => this.#isThere(reference) && this.#isDue(reference, query));
      if (due === undefined || due.sequence <= (newest.get(topic) ?? 0)) continue;
      const what = this.#attempts.nameOf(due.reference);
      const rule = newest.has(topic) ? 'C4' : 'C1';
      const got = newest.get(topic) ?? 'none';
      this.#say(rule, `${this.#name} asked for the newest of ${topic}, ${what}, and got ${got}`);
    }
  }

  #judgeGet(query, events) {
    const reference = this.#attempts.find(query.id, query.topic);
    if (events.length > 0 || reference === undefined) return;
    if (!this.#isThere(reference) || !this.#isDue(reference, query)) return;
    this.#say('C1', `${this.#name} asked for ${query.id} on ${query.topic}, which is stored`);
  }

  /** It is in the log, and stays there. */
  #isThere(reference) {
    return this.#attempts.has(reference, STORED) && !this.#attempts.has(reference, BRIEF);
  }

  /** It was acknowledged before the query began. */
  #isDue(reference, query) {
    const ackedAt = this.#attempts.get(reference, 'ackedAt');
    return ackedAt > 0 && ackedAt < query.at;
  }
}
