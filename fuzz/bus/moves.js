import assert from 'node:assert/strict';
import { busHooks } from '../../dist/main/test-hooks.js';
import { Lineage } from './lineage.js';
import { matchesFilter } from './model.js';
import { checkRefusal } from './stores.js';

/**
 * The moves of a game, as commands for `fc.commands`: each does the same to the model and to the real buses. Most do
 * not wait, so that they overlap; `Settle` waits for everything and compares everything.
 */
export const TOPICS = [
  ...['a', 'a.b', 'a.b.c', 'b', 'b.c'],
  ...['worker.1', 'worker.2', 'log.x', 'log.y', 'é.雪'],
];

export class Publish {
  constructor(events, ids, how) {
    this.events = events;
    this.ids = ids;
    this.how = how;
  }
  check() {
    return true;
  }
  async run(model, system) {
    const { persist, wait, node: which, ...how } = this.how;
    const node = system.node(which);
    const inputs = this.events.map(([event, size], index) => {
      const id = persist ? this.ids[index] : undefined;
      // An id always goes to the same topic, so that a repeat comes to the shard of the first event.
      const given = id === undefined ? event : { ...event, id: `id-${id}`, topic: TOPICS[id % 10] };
      return model.prepare(given, size, persist, node);
    });
    system.publish(model, node, inputs, { ...how, persist });
    if (wait) await system.acknowledged();
  }
  toString() {
    const { how, durability, persist, wait, node } = this.how;
    const kind = persist ? durability : 'ephemeral';
    return `publish(${this.events.length}, ${how}, ${kind}${wait ? ', wait' : ''}, node ${node})`;
  }
}

/** Some events of one topic as a group: they stand side by side. */
export class PublishGroup {
  constructor(topic, sizes, which) {
    this.topic = topic;
    this.sizes = sizes;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(model, system) {
    const node = system.node(this.which);
    const inputs = this.sizes.map((size) => model.prepare({ topic: this.topic }, size, true, node));
    const how = { how: 'many', durability: 'written', persist: true, atomic: true };
    system.publish(model, node, inputs, how);
  }
  toString() {
    return `group(${this.topic}, ${this.sizes.length}, node ${this.which})`;
  }
}

/** A publish that expects the topic's last event, or another one. */
export class Expect {
  constructor(topic, isRight, which) {
    this.topic = topic;
    this.isRight = isRight;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(model, system) {
    await system.acknowledged();
    if (model.hasOpenRepeats()) await system.settle(model);
    const last = model.lastOf(this.topic);
    // The store may not know a topic any more whose events have all been removed.
    if (last !== undefined && model.mayBePruned(last)) return;
    if (last === undefined && model.mayHaveHoles) return;
    const right = last === undefined ? 'none' : { sequence: last.sequence };
    const wrong = last === undefined ? { sequence: 1 } : 'none';
    const node = system.node(this.which);
    const fields = { topic: this.topic };
    if (this.isRight) {
      const input = model.prepare(fields, 10, true, node);
      const how = { how: 'each', durability: 'written', persist: true, expect: right };
      system.publish(model, node, [input], how);
      await system.acknowledged();
      return;
    }
    const input = { ...fields, type: 'agent_log', payload: 'not what was expected' };
    const publish = node.bus.publish(input, { expect: wrong });
    const error = await system.within(
      'refusal',
      publish.then(
        () => undefined,
        (reason) => reason,
      ),
    );
    assert.equal(error?.code, 'CONFLICT', `a wrong expectation of ${this.topic}`);
    if (last !== undefined) assert.equal(error.details.sequence, last.sequence);
  }
  toString() {
    return `expect(${this.topic}, ${this.isRight ? 'right' : 'wrong'}, node ${this.which})`;
  }
}

/** A call that the store does not allow, which its message names. */
export class Refused {
  constructor(refusal, which) {
    this.refusal = refusal;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(_, system) {
    const checked = checkRefusal(this.refusal, system.node(this.which).bus);
    await system.within('refusal', checked);
  }
  toString() {
    return `refused(${this.refusal.name}, node ${this.which})`;
  }
}

export class Subscribe {
  constructor(filter, options, which) {
    this.filter = filter;
    this.options = options;
    this.which = which;
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
    await system.subscribe(model, lineage, this.which);
  }
  toString() {
    const { filter, options, which } = this;
    return `subscribe(${JSON.stringify(filter)}, ${JSON.stringify(options)}, node ${which})`;
  }
}

/** A command on one of the active lineages, or on one of the paused ones. */
export class OnLineage {
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

export class Query {
  constructor(filter, limit, reverse, which) {
    this.filter = filter;
    this.limit = limit;
    this.reverse = reverse;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(model, system) {
    await system.acknowledged();
    const { topics, ...others } = this.filter;
    const { limit, reverse } = this;
    const query = { topic: topics, ...others, limit, reverse };
    const node = system.node(this.which);
    const matches = (input) => matchesFilter(this.filter, input);
    const isWhole = model.matching(matches).length <= limit;
    // A node finds at once what it has acknowledged itself, and what others have, once it has heard of it.
    if (isWhole) {
      const found = await system.within('answer', node.bus.query(query));
      model.checkOwn(found, node, matches, 'the query');
    }
    await system.caughtUp(model, node);
    const events = await system.within('answer', node.bus.query(query));
    if (reverse) events.reverse();
    if (isWhole) model.checkHistory(events, matches, 'the query');
    else if (model.retention.length > 0) model.checkEvents(events, 'the query');
    else {
      model.checkEnd(events, matches, reverse, 'the query');
      assert.equal(events.length, limit);
    }
  }
  toString() {
    return `query(${JSON.stringify(this.filter)}, ${this.limit}, ${this.reverse}, node ${this.which})`;
  }
}

export class Disturb {
  constructor(how, shard, which) {
    this.how = how;
    this.shard = shard;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(model, system) {
    const shard = this.shard % model.logs.length;
    const node = system.node(this.which);
    const controls = busHooks(node.bus);
    system.harm(model, node);
    if (this.how === 'kill') await system.within('restart', controls.killShard(shard));
    else controls.crashShard(shard);
  }
  toString() {
    return `${this.how}(${this.shard}, node ${this.which})`;
  }
}

export class Reopen {
  constructor(changes, settleFirst, which) {
    this.changes = changes;
    this.settleFirst = settleFirst;
    this.which = which;
  }
  check() {
    return true;
  }
  async run(model, system) {
    if (this.settleFirst) await system.settle(model);
    model.retention.push(...(this.changes.retention ?? []));
    await system.reopen(model, system.node(this.which), this.changes);
  }
  toString() {
    const settled = this.settleFirst ? ', settled' : '';
    return `reopen(${JSON.stringify(this.changes)}${settled}, node ${this.which})`;
  }
}

export class Settle {
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

export async function update(lineage, filter, model, system) {
  await system.settle(model);
  const heads = model.logs.map(({ length }) => length);
  await system.within('update', lineage.subscription.update(filter));
  lineage.updated(filter, heads);
}
