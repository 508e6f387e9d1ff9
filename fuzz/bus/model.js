import assert from 'node:assert/strict';
import { matchesPattern } from '../../dist/protocol/topic.js';

/**
 * A model of the bus in plain arrays: for each shard the events in the order of their sequences, and for each
 * subscription the events that it must, may and must not get. It knows nothing of rings, threads or files.
 *
 * Time is a counter that every call of `now()` increases. A publish has the time of its call and of its ack, a
 * subscription the time of its call and of its `ready`. With `from: 'now'` a subscription must not get events
 * acknowledged before its call, and must get those published after its `ready`.
 */
export class BusModel {
  /** One array for each shard; index 0 is sequence 1. */
  logs;
  /** The published events, by the number in their payloads. */
  inputs = new Map();
  /** The first stored event for each shard and publisher's id. */
  firstById = new Map();
  /** Every retention rule that has been in force since the store was made: `{ pattern, maxEvents }`. */
  retention = [];
  /** Whether events whose outcome is unknown may have been stored and removed before the model could find them. */
  mayHaveHoles = false;
  lineages = [];
  /** On a store of several nodes those of which a thread was ended or made to throw: their indexes. */
  harmed = new Set();
  /** Publishes that failed with an unknown outcome. */
  unknown = new Set();
  #time = 0;
  #number = 0;

  constructor(shards, retention = []) {
    this.logs = Array.from({ length: shards }, () => []);
    this.retention.push(...retention);
  }

  now() {
    return ++this.#time;
  }

  /** Makes an input with a number in its payload, and remembers it by that number. */
  prepare(fields, size, persist, node) {
    const n = this.#number++;
    const input = { type: 'agent_log', ...fields, payload: { n, pad: 'p'.repeat(size) } };
    this.inputs.set(n, { n, input, persist, node: node.index, publishedAt: this.now() });
    return input;
  }

  /** The lineages that have a subscription at a node. */
  active(node) {
    return this.lineages.filter(
      (lineage) => lineage.subscription !== undefined && lineage.node === node.index,
    );
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
      // The ack of the first event may come later than this one, from another call.
      entry.duplicateOf = { shard: ack.shard, sequence: ack.sequence, id: ack.id };
      entry.ackedAt = this.now();
      if (first !== undefined) assert.equal(ack.sequence, first.sequence, `first of ${ack.id}`);
      return;
    }
    this.#store(log, entry, ack);
  }

  /** An event found in the log after reopening; its publish may be one with an unknown outcome. */
  found(event) {
    const { n } = event.payload;
    const log = this.logs[event.shard];
    if (log[event.sequence - 1] !== undefined || !this.unknown.has(n)) return;
    this.#store(log, this.inputs.get(n), event);
  }

  /**
   * An event in the log of a store that several buses share, where a thread of its node has died: the ack may have said
   * `duplicate` of the event that this very publish stored (decision 30).
   */
  foundOwn(event) {
    const { shard, sequence, payload } = event;
    const entry = this.inputs.get(payload.n);
    const { duplicateOf, ackedAt } = entry ?? {};
    if (this.logs[shard][sequence - 1] !== undefined || duplicateOf === undefined) return;
    if (duplicateOf.shard !== shard || duplicateOf.sequence !== sequence) return;
    if (!this.harmed.has(entry.node)) return;
    this.#store(this.logs[shard], entry, event);
    this.logs[shard][sequence - 1].ackedAt = ackedAt;
  }

  /** Whether there are acks that say `duplicate` of events that the model has not found yet. */
  hasOpenRepeats() {
    return [...this.inputs.values()].some(
      ({ duplicateOf: of }) =>
        of !== undefined && this.logs[of.shard][of.sequence - 1] === undefined,
    );
  }

  /** What has not been found by now never will be. */
  giveUpUnknown() {
    const isLost = (n) => !this.logs.some((log) => log.some((stored) => stored?.n === n));
    if (this.retention.length > 0 && [...this.unknown].some(isLost)) this.mayHaveHoles = true;
    this.unknown.clear();
  }

  #store(log, entry, { id, shard, sequence }) {
    assert.equal(log[sequence - 1], undefined, `sequence ${shard}:${sequence} was given twice`);
    const stored = { ...entry, id, shard, sequence, topic: entry.input.topic };
    stored.ackedAt = this.now();
    log[sequence - 1] = stored;
    if (entry.input.id !== undefined) this.firstById.set(`${shard}/${id}`, stored);
  }

  /** Checks the whole log, once no publish is in flight: no event may be missing, and none added. */
  checkWhole(events) {
    for (const [shard, log] of this.logs.entries()) {
      for (let index = 0; index < log.length; index++) {
        const isThere = log[index] !== undefined || this.mayHaveHoles;
        assert.ok(isThere, `shard ${shard} has a hole at sequence ${index + 1}`);
      }
    }
    for (const { duplicateOf } of this.inputs.values()) {
      if (duplicateOf === undefined) continue;
      const { shard, sequence, id } = duplicateOf;
      const first = this.logs[shard][sequence - 1];
      if (first === undefined && this.mayHaveHoles) continue;
      assert.equal(first?.id, id, `a repeat of ${id} named another event`);
    }
    this.#checkPublishersOrder();
    this.checkHistory(events, () => true, 'the log');
  }

  /** The events that one node has published on one topic stand in the order of its calls. */
  #checkPublishersOrder() {
    const last = new Map();
    for (const stored of this.logs.flat()) {
      const publisher = `${stored.node}/${stored.topic}`;
      const before = last.get(publisher) ?? -1;
      assert.ok(stored.n > before, `${describe(stored)} stands behind event ${before} of its node`);
      last.set(publisher, stored.n);
    }
  }

  /** How many events each topic has, where nothing was removed. */
  topicCounts() {
    const counts = {};
    for (const { topic } of this.logs.flat()) counts[topic] = (counts[topic] ?? 0) + 1;
    return counts;
  }

  /** The last stored event of a topic, once no publish is in flight. */
  lastOf(topic) {
    const isOfTopic = (stored) => stored?.topic === topic;
    return this.logs.map((log) => log.findLast(isOfTopic)).find((last) => last !== undefined);
  }

  /** The stored events that match, each shard's in order. */
  matching(matches) {
    return this.logs.flatMap((log) => log.filter((stored) => matches(stored.input)));
  }

  /**
   * Checks that all matching events are there, except those that retention may have removed from the beginning, and no
   * others.
   */
  checkHistory(events, matches, whose) {
    const seen = this.checkEvents(events, whose);
    const begun = new Set();
    for (const stored of this.matching(matches)) {
      if (seen.delete(placeOf(stored))) begun.add(stored.topic);
      else if (begun.has(stored.topic) || !this.mayBePruned(stored)) {
        assert.fail(`${whose} misses ${describe(stored)}`);
      }
    }
    assert.deepEqual([...seen], [], `${whose} has events that do not belong there`);
  }

  /** Checks that all matching events are there that this node has acknowledged. */
  checkOwn(events, node, matches, whose) {
    const seen = new Set(events.map(placeOf));
    for (const stored of this.matching(matches)) {
      const isThere = stored.node !== node.index || seen.has(placeOf(stored));
      if (isThere || this.mayBePruned(stored)) continue;
      assert.fail(`${whose} misses ${describe(stored)}, which this node has acknowledged`);
    }
  }

  /** As `checkHistory`, for a limited number of events: those of each shard must be its first or its last ones. */
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
    assert.deepEqual([...seen], [], `${whose} has events that do not belong there`);
  }

  /**
   * Checks that each event is as it was published and in its place, each topic's in order, none repeated. Returns their
   * places.
   */
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
    this.foundOwn(event);
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

  /** Whether any retention rule so far may have removed the event: enough newer events match the rule's pattern. */
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

/** The meaning of a filter, in simple code. */
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
