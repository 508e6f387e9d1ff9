import assert from 'node:assert/strict';
import { setTimeout as afterMs } from 'node:timers/promises';
import { openBus } from '../../dist/index.js';
import { busHooks } from '../../dist/main/test-hooks.js';

/**
 * @param {unknown} event
 * @param {(event: unknown) => unknown} take
 * @param {unknown} [_lineage]
 */
const passOn = (event, take, _lineage) => take(event);

/** The buses under test, which share one place in a store, with the publishes that are not answered yet. */
export class System {
  nodes = [];
  pending = new Set();
  errors = [];

  /**
   * `observe` is called with each event and the function that passes it to the checks. A canary plants its bug there.
   */
  constructor(options, store, { observe = passOn, deadlineMs = 20_000 } = {}) {
    const { keep, ...ofBuses } = options;
    this.options = ofBuses;
    this.store = store;
    this.place = store.place(options);
    this.observe = observe;
    this.deadlineMs = deadlineMs;
  }

  /** Opens all nodes, one behind the other, as the first one makes the store. */
  async open() {
    for (let index = 0; index < this.store.nodes; index++) {
      const node = { index, bus: undefined, options: { ...this.options }, isClosing: false };
      this.nodes.push(node);
      await this.#open(node);
    }
  }

  async #open(node) {
    const onError = (error) => this.errors.push(error);
    node.bus = await openBus({ ...this.place.options(), onError, ...node.options });
  }

  node(which) {
    return this.nodes[which % this.nodes.length];
  }

  publish(model, node, inputs, { how, durability, persist, ...terms }) {
    const options = persist ? { durability, persist, ...terms } : { persist };
    if (how === 'many') {
      this.#follow(node, node.bus.publishMany(inputs, options), model, inputs, persist);
      return;
    }
    for (const input of inputs) {
      const ack = node.bus.publish(input, options).then((value) => [value]);
      this.#follow(node, ack, model, [input], persist);
    }
  }

  #follow(node, promise, model, inputs, persist) {
    const following = promise.then(
      (acks) => {
        for (const [i, ack] of acks.entries()) model.acknowledged(inputs[i].payload.n, ack);
        return acks;
      },
      (error) => this.#refused(node, error, model, inputs, persist),
    );
    following.catch(() => undefined);
    this.pending.add(following);
  }

  /**
   * A persisted publish may only be refused by a closing bus, and its outcome be unknown only if a shard dies
   * meanwhile. An ephemeral publish may be lost with its shard at any time.
   */
  #refused(node, error, model, inputs, persist) {
    const { code } = error;
    const isOfDeath = code === 'PUBLISH_UNKNOWN' || code === 'SHARD_RESTARTED';
    if (code === 'BUS_CLOSED' || (isOfDeath && !persist)) return;
    if (code !== 'PUBLISH_UNKNOWN' || !node.isClosing) throw error;
    for (const { payload } of inputs) model.unknown.add(payload.n);
  }

  /** Waits until every publish has been answered. */
  async acknowledged() {
    const waiting = [...this.pending];
    this.pending.clear();
    await this.within('acks', Promise.all(waiting));
  }

  /** Subscribes a lineage, from its cursor if it has one. */
  async subscribe(model, lineage, which) {
    const node = this.node(which);
    const { slow, ...options } = lineage.options;
    const from = lineage.cursor === undefined ? options.from : { after: lineage.cursor };
    const life = { ended: false };
    let count = 0;
    const take = (event) => {
      // An event that is taken after the cursor was noted will come again, so it is ignored.
      if (!life.ended) lineage.take(event);
    };
    const handler = (event) => {
      if (life.ended) lineage.late = event;
      const wait = this.#waitOf(lineage, count++, slow);
      if (wait === undefined) return this.observe(event, take, lineage);
      return wait.then(() => this.observe(event, take, lineage));
    };
    lineage.life = life;
    lineage.askedAt ??= model.now();
    lineage.node = node.index;
    lineage.firstNode ??= node.index;
    const subscription = node.bus.subscribe(lineage.filter, handler, { ...options, from });
    subscription.on('gap', (gap) => lineage.gaps.push(gap));
    lineage.subscription = subscription;
    await this.within('ready', subscription.ready);
    lineage.readyAt ??= model.now();
  }

  #waitOf(lineage, count, slow) {
    if (lineage.stuck !== undefined) return lineage.stuck.promise;
    if (slow === 0 || count % slow !== 0) return undefined;
    return new Promise((resolve) => setImmediate(resolve));
  }

  async pause(lineage) {
    release(lineage);
    await this.within('unsubscribe', lineage.subscription.unsubscribe());
    await this.#ended(lineage);
  }

  /** A thread of the node is about to die: a log of its own knows all the same what it has stored. */
  harm(model, node) {
    if (this.nodes.length > 1) model.harmed.add(node.index);
  }

  /** Closes a node and opens it again with other options; `dies`: its shards' threads are ended first. */
  async reopen(model, node, { dies = false, ...changes }) {
    node.isClosing = true;
    if (dies) this.harm(model, node);
    if (dies) for (const shard of model.logs.keys()) void busHooks(node.bus).killShard(shard);
    await this.within('close', node.bus.close());
    for (const lineage of model.active(node)) {
      const { closed } = lineage.subscription;
      await this.#ended(lineage);
      release(lineage);
      await this.within('closed', closed);
    }
    await this.acknowledged();
    node.isClosing = false;
    Object.assign(node.options, changes);
    await this.#open(node);
    await this.#learn(model, node);
  }

  /** After reopening, an event with an unknown outcome is in the log, or never will be. */
  async #learn(model, { bus }) {
    if (model.unknown.size === 0) return;
    for await (const event of bus.read({ topic: '*' })) model.found(event);
    model.giveUpUnknown();
  }

  /** Notes the cursor, after handlers that have ended by now are counted as ended. */
  async #ended(lineage) {
    await new Promise((resolve) => setImmediate(resolve));
    lineage.life.ended = true;
    lineage.cursor = lineage.subscription.cursor;
    lineage.subscription = undefined;
  }

  /** Waits until the node has heard of all events that any node has acknowledged. */
  async caughtUp(model, node) {
    const heads = model.logs.map(({ length }) => length);
    await this.#until(async () => {
      const { shards } = await node.bus.stats();
      return shards.every(({ shard, head }) => head >= heads[shard]);
    });
  }

  /** Waits until nothing is in flight, and compares everything with the model. */
  async settle(model) {
    for (const lineage of model.lineages) release(lineage);
    await this.acknowledged();
    for (const node of this.nodes) await this.#compareLog(model, node);
    const active = model.lineages.filter(({ subscription }) => subscription !== undefined);
    for (const lineage of active) {
      // An update judges what a shard has not passed over yet by the new filter, as after a crash, so it waits for that.
      await this.#until(
        () => lineage.missing(model).length === 0 && lineage.subscription.lag === 0,
      );
    }
    for (const { bus } of this.nodes) await this.within('drain', bus.drain());
    for (const lineage of active) lineage.check(model);
    for (const node of this.nodes) {
      const { subscriptions } = await node.bus.stats();
      assert.equal(subscriptions, model.active(node).length, 'subscriptions in the stats');
    }
    // A subscription that is refused is told there too.
    const { refusals } = this.store;
    const isRefusal = (error) => refusals.some(({ message }) => message.test(error.message));
    const errors = this.errors.filter((error) => !isRefusal(error));
    assert.deepEqual(errors, [], 'onError was not called');
  }

  /** The whole log, and the counts of its topics, as one node sees them. */
  async #compareLog(model, node) {
    await this.caughtUp(model, node);
    const whole = [];
    for await (const event of node.bus.read({ topic: '*' })) whole.push(event);
    for (const event of whole) model.foundOwn(event);
    model.checkWhole(whole);
    if (model.retention.length > 0) return;
    const expected = model.topicCounts();
    const counts = async () => {
      const topics = await node.bus.topics();
      return Object.fromEntries(topics.map(({ name, events }) => [name, events]));
    };
    await this.#until(async () => isSame(await counts(), expected));
    assert.deepEqual(await counts(), expected, 'the topics');
  }

  /** Waits until the condition holds or the deadline has passed; the checks then report what is missing. */
  async #until(condition) {
    const deadline = Date.now() + this.deadlineMs;
    while (!(await condition()) && Date.now() < deadline) await afterMs(2);
  }

  async within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no ${what} within ${this.deadlineMs} ms`)),
        this.deadlineMs,
      );
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async dispose() {
    try {
      const closed = this.nodes.map(({ bus }) => bus?.close());
      await this.within('close', Promise.all(closed));
    } finally {
      await this.place.dispose();
    }
  }
}

function isSame(one, other) {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

/** Makes the lineage's handler wait with each event, until `release`. */
export function stick(lineage) {
  if (lineage.stuck !== undefined) return;
  let open;
  const promise = new Promise((resolve) => {
    open = resolve;
  });
  lineage.stuck = { promise, open };
}

export function release(lineage) {
  lineage.stuck?.open();
  lineage.stuck = undefined;
}
