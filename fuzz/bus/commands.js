import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Lineage } from './lineage.js';
import { matchesFilter } from './model.js';
import { release, stick } from './system.js';

/**
 * The moves of a game, as commands for `fc.commands`: each does the same to the model and to the real bus. Most do not
 * wait, so that they overlap; `Settle` waits for everything and compares everything.
 */
const TOPICS = ['a', 'a.b', 'a.b.c', 'b', 'b.c', 'worker.1', 'worker.2', 'log.x', 'log.y', 'é.雪'];
const SOURCES = ['ada', 'grace'];

const sizes = fc.oneof(
  { weight: 10, arbitrary: fc.nat({ max: 80 }) },
  { weight: 2, arbitrary: fc.integer({ min: 300, max: 700 }) },
  { weight: 1, arbitrary: fc.constantFrom(2000, 4000, 4096, 9000) },
);
const fields = fc.record(
  {
    topic: fc.constantFrom(...TOPICS),
    source: fc.constantFrom(...SOURCES),
    correlationId: fc.constantFrom('run-1', 'run-2'),
    attributes: fc.dictionary(fc.constantFrom('agentId', 'taskId'), fc.constantFrom('1', '2'), {
      maxKeys: 2,
      minKeys: 1,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: ['topic'] },
);
const patterns = fc.constantFrom('*', 'a', 'a.*', 'a.+', '+.b', 'worker.*', 'log.*', '*.c', 'é.雪');
const topicLists = fc.array(patterns, { minLength: 1, maxLength: 2 });
/** Most filters have topics only, as a filter with more conditions matches fewer events. */
const filters = fc.oneof(
  { weight: 3, arbitrary: fc.record({ topics: topicLists }) },
  {
    weight: 1,
    arbitrary: fc.record({
      topics: topicLists,
      sources: fc.subarray(SOURCES, { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ topics: topicLists, correlationIds: fc.constant(['run-1']) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ topics: topicLists, attributes: fc.constant({ agentId: ['1'] }) }),
  },
);

class Publish {
  constructor(events, ids, how) {
    this.events = events;
    this.ids = ids;
    this.how = how;
  }
  check() {
    return true;
  }
  async run(model, system) {
    const { persist } = this.how;
    const inputs = this.events.map(([event, size], index) => {
      const id = persist ? this.ids[index] : undefined;
      // An id always goes to the same topic, so that a repeat comes to the shard of the first event.
      const given = id === undefined ? event : { ...event, id: `id-${id}`, topic: TOPICS[id % 10] };
      return model.prepare(given, size, persist);
    });
    system.publish(model, inputs, this.how);
    if (this.how.wait) await system.acknowledged();
  }
  toString() {
    const { how, durability, persist, wait } = this.how;
    const kind = persist ? durability : 'ephemeral';
    return `publish(${this.events.length}, ${how}, ${kind}${wait ? ', wait' : ''})`;
  }
}

class Subscribe {
  constructor(filter, options) {
    this.filter = filter;
    this.options = options;
  }
  check(model) {
    return model.lineages.length < 12;
  }
  async run(model, system) {
    const { from } = this.options;
    // The events that `last` covers are only known when no publish is in flight.
    if (typeof from === 'object') await system.acknowledged();
    const name = `subscription ${model.lineages.length}`;
    const lineage = new Lineage(name, this.filter, this.options, model.logs.length);
    model.lineages.push(lineage);
    await system.subscribe(model, lineage);
  }
  toString() {
    return `subscribe(${JSON.stringify(this.filter)}, ${JSON.stringify(this.options)})`;
  }
}

/** A command on one of the active lineages, or on one of the paused ones. */
class OnLineage {
  constructor(name, which, isActive, act) {
    this.name = name;
    this.which = which;
    this.isActive = isActive;
    this.act = act;
  }
  #candidates(model) {
    return model.lineages.filter(
      ({ subscription, isLossy }) =>
        (subscription !== undefined) === this.isActive && (this.isActive || !isLossy),
    );
  }
  check(model) {
    return this.#candidates(model).length > 0;
  }
  async run(model, system) {
    const candidates = this.#candidates(model);
    await this.act(candidates[this.which % candidates.length], model, system);
  }
  toString() {
    return `${this.name}(${this.which})`;
  }
}

class Query {
  constructor(filter, limit, reverse) {
    this.filter = filter;
    this.limit = limit;
    this.reverse = reverse;
  }
  check() {
    return true;
  }
  async run(model, system) {
    await system.acknowledged();
    const { topics, ...others } = this.filter;
    const { limit, reverse } = this;
    const query = { topic: topics, ...others, limit, reverse };
    const events = await system.within('answer', system.bus.query(query));
    if (reverse) events.reverse();
    const matches = (input) => matchesFilter(this.filter, input);
    if (model.matching(matches).length <= limit) model.checkHistory(events, matches, 'the query');
    else if (model.retention.length > 0) model.checkEvents(events, 'the query');
    else {
      model.checkEnd(events, matches, reverse, 'the query');
      assert.equal(events.length, limit);
    }
  }
  toString() {
    return `query(${JSON.stringify(this.filter)}, ${this.limit}, ${this.reverse})`;
  }
}

class Disturb {
  constructor(how, shard) {
    this.how = how;
    this.shard = shard;
  }
  check() {
    return true;
  }
  async run(model, system) {
    const shard = this.shard % model.logs.length;
    if (this.how === 'kill') await system.within('restart', system.controls.killShard(shard));
    else await system.controls.crashShard(shard);
  }
  toString() {
    return `${this.how}(${this.shard})`;
  }
}

class Reopen {
  constructor(changes, settleFirst) {
    this.changes = changes;
    this.settleFirst = settleFirst;
  }
  check() {
    return true;
  }
  async run(model, system) {
    if (this.settleFirst) await system.settle(model);
    await system.close(model);
    model.retention.push(...this.changes.retention);
    await system.open(this.changes);
    await system.learn(model);
  }
  toString() {
    return `reopen(${JSON.stringify(this.changes)}${this.settleFirst ? ', settled' : ''})`;
  }
}

class Settle {
  check() {
    return true;
  }
  async run(model, system) {
    await system.settle(model);
  }
  toString() {
    return 'settle()';
  }
}

async function update(lineage, filter, model, system) {
  await system.settle(model);
  const heads = model.logs.map(({ length }) => length);
  await system.within('update', lineage.subscription.update(filter));
  lineage.updated(filter, heads);
}

const which = fc.nat({ max: 30 });
const subscribeOptions = fc.record({
  from: fc.oneof(
    fc.constantFrom('now', 'earliest'),
    fc.record({ last: fc.integer({ min: 1, max: 60 }) }),
  ),
  overflow: fc.oneof(
    { weight: 5, arbitrary: fc.constant('catch-up') },
    { weight: 1, arbitrary: fc.constantFrom('drop-oldest', 'drop-newest', 'conflate') },
  ),
  maxBuffer: fc.constantFrom(1, 2, 10, 100, 1000),
  slow: fc.constantFrom(0, 0, 1, 7),
});
const publishHow = fc.record({
  how: fc.constantFrom('each', 'many'),
  durability: fc.constantFrom('synced', 'written'),
  persist: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.constant(false)),
  wait: fc.boolean(),
});
const ids = fc.array(fc.option(fc.nat({ max: 29 }), { nil: undefined, freq: 3 }), {
  minLength: 80,
  maxLength: 80,
});
const publishes = fc
  .tuple(fc.array(fc.tuple(fields, sizes), { minLength: 1, maxLength: 80 }), ids, publishHow)
  .map((args) => new Publish(...args));
const retention = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        pattern: fc.constantFrom('log.*', '*', 'a.*'),
        maxEvents: fc.constantFrom(10, 100),
      })
      .map((rule) => [rule]),
  },
);
const reopens = fc
  .tuple(
    fc.record({
      retention,
      ringBytes: fc.constantFrom(4096, 16_384, 1 << 20),
      commitBatchEvents: fc.constantFrom(1, 9, 4096),
    }),
    fc.boolean(),
  )
  .map((args) => new Reopen(...args));

const onActive = (name, act) => which.map((index) => new OnLineage(name, index, true, act));

/** A command that is listed more than once has more weight. */
export const commands = fc.commands(
  [
    publishes,
    publishes,
    publishes,
    fc.tuple(filters, subscribeOptions).map((args) => new Subscribe(...args)),
    fc.tuple(filters, subscribeOptions).map((args) => new Subscribe(...args)),
    onActive('pause', (lineage, _, system) => system.pause(lineage)),
    which.map(
      (index) =>
        new OnLineage('resume', index, false, (lineage, model, system) =>
          system.subscribe(model, lineage),
        ),
    ),
    onActive('stick', (lineage) => stick(lineage)),
    onActive('release', (lineage) => release(lineage)),
    fc
      .tuple(which, filters)
      .map(
        ([index, filter]) =>
          new OnLineage(`update ${JSON.stringify(filter)}`, index, true, (lineage, model, system) =>
            update(lineage, filter, model, system),
          ),
      ),
    fc
      .tuple(filters, fc.constantFrom(1, 5, 100, 10_000), fc.boolean())
      .map((args) => new Query(...args)),
    fc.tuple(fc.constantFrom('kill', 'crash'), which).map((args) => new Disturb(...args)),
    reopens,
    fc.constant(new Settle()),
  ],
  { maxCommands: 60, size: 'max' },
);

export const initial = fc.record({
  shards: fc.integer({ min: 1, max: 3 }),
  ringBytes: fc.constantFrom(4096, 65_536),
  commitBatchEvents: fc.constantFrom(1, 9, 4096),
});
