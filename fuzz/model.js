import assert from 'node:assert/strict';
import { matchesPattern } from '../dist/protocol/topic.js';

/**
 * What a bus should do, as plain arrays: for each shard the events in the order of their sequences, and for each
 * subscription what it must have, may have and must not have got. It knows nothing of rings, threads or files.
 *
 * Time here is a counter that every question to `now()` moves on. A publish has the time of its call and that
 * of its ack; a subscription that of its call and that of its `ready`. What was acknowledged before a
 * subscription was asked for, `from: 'now'` must not give; what was published after it was ready, it must.
 */
export class BusModel {
  /** One array for each shard; index 0 is sequence 1. */
  logs;
  /** What each publish gave, by the number in its payload. */
  inputs = new Map();
  /** First stored event for each shard and publisher's id. */
  firstById = new Map();
  /** Retention that has been in force since the directory was made: `{ pattern, maxEvents }`. */
  retention = [];
  lineages = [];
  /** Publishes of which the bus could not say what became of them. */
  unknown = new Set();
  #time = 0;
  #number = 0;

  constructor(shards) {
    this.logs = Array.from({ length: shards }, () => []);
  }

  now() {
    return ++this.#time;
  }

  /** Remembers an input by a number that it gets for its payload. */
  prepare(fields, size, persist) {
    const n = this.#number++;
    const input = { type: 'agent_log', ...fields, payload: { n, pad: 'p'.repeat(size) } };
    this.inputs.set(n, { n, input, persist, publishedAt: this.now() });
    return input;
  }

  acknowledged(n, ack) {
    const entry = this.inputs.get(n);
    const { input, persist } = entry;
    assert.equal(ack.topic, input.topic);
    if (!persist) {
      assert.equal(ack.durability, 'none', `event ${n} was to be ephemeral`);
      return;
    }
    const log = this.logs[ack.shard];
    if (ack.duplicate) {
      const first = this.firstById.get(`${ack.shard}/${ack.id}`);
      // Its first ack may come later than this one, from another call.
      entry.duplicateOf = { shard: ack.shard, sequence: ack.sequence, id: ack.id };
      if (first !== undefined) assert.equal(ack.sequence, first.sequence, `first of ${ack.id}`);
      return;
    }
    this.#store(log, entry, ack);
  }

  /** An event of the log after reopening; it may be one of unknown fate. */
  found(event) {
    const { n } = event.payload;
    const log = this.logs[event.shard];
    if (log[event.sequence - 1] !== undefined || !this.unknown.has(n)) return;
    this.#store(log, this.inputs.get(n), event);
  }

  #store(log, entry, { id, shard, sequence }) {
    assert.equal(log[sequence - 1], undefined, `sequence ${shard}:${sequence} was given twice`);
    const stored = { ...entry, id, shard, sequence, topic: entry.input.topic };
    stored.ackedAt = this.now();
    log[sequence - 1] = stored;
    if (entry.input.id !== undefined) this.firstById.set(`${shard}/${id}`, stored);
  }

  /** Called with the whole log once nothing is on its way: nothing may be missing, nothing added. */
  checkWhole(events) {
    for (const [shard, log] of this.logs.entries()) {
      for (let index = 0; index < log.length; index++) {
        assert.ok(log[index], `shard ${shard} has a hole at sequence ${index + 1}`);
      }
    }
    for (const { duplicateOf } of this.inputs.values()) {
      if (duplicateOf === undefined) continue;
      const { shard, sequence, id } = duplicateOf;
      assert.equal(this.logs[shard][sequence - 1]?.id, id, `a repeat of ${id} named another event`);
    }
    this.checkHistory(events, () => true, 'the log');
  }

  /** Stored events that a filter lets through, in an order that keeps that of each shard. */
  matching(matches) {
    return this.logs.flatMap((log) => log.filter((stored) => matches(stored.input)));
  }

  /** All that matches is there, except what retention may have taken from its beginning; and nothing else. */
  checkHistory(events, matches, whose) {
    const seen = this.checkEvents(events, whose);
    const begun = new Set();
    for (const stored of this.matching(matches)) {
      if (seen.delete(placeOf(stored))) begun.add(stored.topic);
      else if (begun.has(stored.topic) || !this.mayBePruned(stored)) {
        assert.fail(`${whose} misses ${describe(stored)}`);
      }
    }
    assert.deepEqual([...seen], [], `${whose} has what does not belong there`);
  }

  /** As `checkHistory`, for the first or the last so many: of each shard they are its first or its last. */
  checkEnd(events, matches, fromTheEnd, whose) {
    const seen = this.checkEvents(events, whose);
    for (const log of this.logs) {
      const matching = log.filter((stored) => matches(stored.input));
      if (fromTheEnd) matching.reverse();
      const end = matching.findIndex((stored) => !seen.has(placeOf(stored)));
      for (const stored of matching.slice(end < 0 ? matching.length : end)) {
        assert.ok(!seen.has(placeOf(stored)), `${whose} has a hole before ${describe(stored)}`);
      }
      for (const stored of matching) seen.delete(placeOf(stored));
    }
    assert.deepEqual([...seen], [], `${whose} has what does not belong there`);
  }

  /** Each is what was published, in its place, each topic's in order, none twice; returns their places. */
  checkEvents(events, whose) {
    const seen = new Set();
    const last = new Map();
    for (const event of events) {
      const { topic, sequence } = event;
      const place = placeOf(event);
      assert.ok(!seen.has(place), `${whose} got ${place} (${topic}) twice`);
      seen.add(place);
      const before = last.get(topic) ?? 0;
      assert.ok(sequence > before, `${whose}: ${topic} went from ${before} to ${sequence}`);
      last.set(topic, sequence);
      this.#checkContent(event, whose);
    }
    return seen;
  }

  #checkContent(event, whose) {
    const stored = this.logs[event.shard][event.sequence - 1];
    assert.ok(stored, `${whose} got ${placeOf(event)}, of which no ack was given`);
    const { source = 'millrace', ...input } = stored.input;
    const { shard, sequence, timestamp, ...fields } = event;
    assert.deepEqual(
      fields,
      { source, ...input, id: stored.id },
      `${whose} at ${shard}:${sequence}`,
    );
    assert.ok(Date.parse(timestamp) > 0);
  }

  /** Whether some retention, ever since, may have removed it: not the newest of what a rule is about. */
  mayBePruned({ shard, sequence, topic }) {
    return this.retention.some(({ pattern, maxEvents }) => {
      if (!matchesPattern(pattern, topic)) return false;
      const younger = this.logs[shard].filter(
        (stored) => stored && stored.sequence > sequence && matchesPattern(pattern, stored.topic),
      );
      return younger.length >= Math.floor(maxEvents / this.logs.length);
    });
  }
}

export function placeOf({ shard, sequence }) {
  return `${shard}:${sequence}`;
}

export function describe(stored) {
  return `${placeOf(stored)} (${stored.topic}, event ${stored.n})`;
}

/** The meaning of a filter, said plainly. */
export function matchesFilter(
  filter,
  { topic, type, source = 'millrace', correlationId, attributes },
) {
  const has = (values, value) => values === undefined || values.includes(value);
  return (
    filter.topics.some((pattern) => matchesPattern(pattern, topic)) &&
    has(filter.types, type) &&
    has(filter.sources, source) &&
    has(filter.correlationIds, correlationId) &&
    Object.entries(filter.attributes ?? {}).every(([key, values]) =>
      values.includes(attributes?.[key]),
    )
  );
}
