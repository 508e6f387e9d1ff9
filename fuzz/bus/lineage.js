import assert from 'node:assert/strict';
import { describe, matchesFilter, placeOf } from './model.js';

/**
 * A subscription and those that resumed from its cursor: together they must get each matching event once. Records, for
 * the model, what was asked for and when, and from the bus, the events received.
 */
export class Lineage {
  events = [];
  ephemeral = [];
  gaps = [];
  /** The filters, each with the heads of the shards behind which it applies. */
  filters;
  /** Undefined while paused. */
  subscription;
  /** The nodes that it is subscribed at, and was at first: their indexes. */
  node;
  firstNode;
  cursor;
  stuck;
  /** When the subscription was asked for and when it was ready, in the model's time. */
  askedAt;
  readyAt;
  /** An event that came after the subscription had ended. */
  late;

  constructor(name, filter, options, shards) {
    this.name = name;
    this.options = options;
    this.filters = [{ filter, heads: Array.from({ length: shards }, () => 0) }];
  }

  /** Whether the overflow policy may drop events: then only their order is checked. */
  get isLossy() {
    return this.options.overflow !== 'catch-up' && this.options.overflow !== 'block';
  }

  get filter() {
    return this.filters.at(-1).filter;
  }

  take(event) {
    if (event.sequence === undefined) this.ephemeral.push({ ...event, node: this.node });
    else this.events.push(event);
  }

  updated(filter, heads) {
    this.filters.push({ filter, heads });
  }

  matches(stored) {
    const { filter } = this.filters.findLast(({ heads }) => heads[stored.shard] < stored.sequence);
    return matchesFilter(filter, stored.input);
  }

  /** The stored events that it must have and that neither came nor are in a reported gap. */
  missing(model) {
    if (this.isLossy) return [];
    const seen = new Set(this.events.map(placeOf));
    const isInGap = (stored) =>
      this.gaps.some(
        ({ shard, from, to }) =>
          shard === stored.shard && from <= stored.sequence && stored.sequence <= to,
      );
    return this.#mustHave(model).filter((stored) => {
      if (seen.has(placeOf(stored))) return false;
      // A subscription from the earliest or the last events gets only those that are still stored.
      const isExcused = this.options.from !== 'now' || isInGap(stored);
      return !(isExcused && model.mayBePruned(stored));
    });
  }

  /** Checks that it has the matching events, once and in order, without holes from its first one on. */
  check(model) {
    assert.equal(this.late, undefined, `${this.name} got an event after it had ended`);
    model.checkEvents(this.events, this.name);
    for (const event of this.events) {
      const stored = model.logs[event.shard][event.sequence - 1];
      assert.ok(this.matches(stored), `${this.name} got ${describe(stored)}, which does not match`);
      // An event that another node has acknowledged may come a moment later to this one.
      if (this.options.from === 'now' && stored.node === this.firstNode) {
        assert.ok(
          stored.ackedAt > this.askedAt,
          `${this.name}, from now, got ${describe(stored)} of before`,
        );
      }
    }
    const [missing] = this.missing(model);
    if (missing !== undefined) assert.fail(`${this.name} misses ${describe(missing)}`);
    this.#checkEphemeral(model);
  }

  #mustHave(model) {
    const all = model.logs.flat().filter((stored) => this.matches(stored));
    const { from } = this.options;
    if (from === 'earliest') return all;
    const first = this.#firstPlaces(all, from);
    return all.filter((stored) => stored.sequence >= first[stored.shard]);
  }

  /** For each shard, the sequence from which no event may be missing. */
  #firstPlaces(all, from) {
    const first = this.filters[0].heads.map(() => Number.POSITIVE_INFINITY);
    const begin = ({ shard, sequence }) => {
      first[shard] = Math.min(first[shard], sequence);
    };
    for (const event of this.events) begin(event);
    for (const stored of all) if (stored.publishedAt > this.readyAt) begin(stored);
    if (typeof from === 'object') {
      const before = all.filter(({ ackedAt }) => ackedAt < this.askedAt);
      const got = new Set(this.events.map(placeOf));
      const counted = before.filter((stored) => got.has(placeOf(stored))).length;
      // It must get `last` of the events before it, of any shards, or all if there are fewer.
      if (counted < Math.min(from.last, before.length)) for (const stored of before) begin(stored);
    }
    return first;
  }

  #checkEphemeral(model) {
    const numbers = new Set();
    const last = new Map();
    for (const { topic, payload, node } of this.ephemeral) {
      const { n } = payload;
      assert.ok(!numbers.has(n), `${this.name} got the ephemeral event ${n} twice`);
      numbers.add(n);
      assert.equal(model.inputs.get(n)?.persist, false, `${this.name} got ${n} as ephemeral`);
      assert.equal(model.inputs.get(n)?.node, node, `${this.name} got ${n} of another node`);
      const publisher = `${node}/${topic}`;
      assert.ok(
        n > (last.get(publisher) ?? -1),
        `${this.name}: ephemeral events of ${topic} in order`,
      );
      last.set(publisher, n);
    }
  }
}
