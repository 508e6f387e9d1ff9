import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBus } from '../../dist/index.js';
import { busHooks } from '../../dist/main/test-hooks.js';

/**
 * @param {unknown} event
 * @param {(event: unknown) => unknown} take
 * @param {unknown} [_lineage]
 */
const passOn = (event, take, _lineage) => take(event);

/** The bus under test, with its directory and the publishes that are not answered yet. */
export class System {
  directory = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'));
  pending = new Set();
  errors = [];
  bus;
  #isClosing = false;

  /**
   * `observe` is called with each event and the function that passes it to the checks. A canary plants its bug there.
   */
  constructor(options, { observe = passOn, deadlineMs = 20_000 } = {}) {
    this.options = options;
    this.observe = observe;
    this.deadlineMs = deadlineMs;
  }

  async open(changes = {}) {
    Object.assign(this.options, changes);
    const onError = (error) => this.errors.push(error);
    this.bus = await openBus({ dir: this.directory, onError, ...this.options });
  }

  get controls() {
    return busHooks(this.bus);
  }

  publish(model, inputs, { how, durability, persist }) {
    const options = persist ? { durability, persist } : { persist };
    if (how === 'many') {
      this.#follow(this.bus.publishMany(inputs, options), model, inputs, persist);
      return;
    }
    for (const input of inputs) {
      const ack = this.bus.publish(input, options).then((value) => [value]);
      this.#follow(ack, model, [input], persist);
    }
  }

  #follow(promise, model, inputs, persist) {
    const following = promise.then(
      (acks) => {
        for (const [i, ack] of acks.entries()) model.acknowledged(inputs[i].payload.n, ack);
      },
      (error) => this.#refused(error, model, inputs, persist),
    );
    following.catch(() => undefined);
    this.pending.add(following);
  }

  /**
   * A persisted publish may only be refused by a closing bus, and its outcome be unknown only if a shard dies
   * meanwhile. An ephemeral publish may be lost with its shard at any time.
   */
  #refused(error, model, inputs, persist) {
    const { code } = error;
    const isOfDeath = code === 'PUBLISH_UNKNOWN' || code === 'SHARD_RESTARTED';
    if (code === 'BUS_CLOSED' || (isOfDeath && !persist)) return;
    if (code !== 'PUBLISH_UNKNOWN' || !this.#isClosing) throw error;
    for (const { payload } of inputs) model.unknown.add(payload.n);
  }

  /** Waits until every publish has been answered. */
  async acknowledged() {
    const waiting = [...this.pending];
    this.pending.clear();
    await this.within('acks', Promise.all(waiting));
  }

  /** Subscribes a lineage, from its cursor if it has one. */
  async subscribe(model, lineage) {
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
    const subscription = this.bus.subscribe(lineage.filter, handler, { ...options, from });
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

  async close(model) {
    this.#isClosing = true;
    await this.within('close', this.bus.close());
    const active = model.lineages.filter(({ subscription }) => subscription !== undefined);
    for (const lineage of active) {
      const { closed } = lineage.subscription;
      await this.#ended(lineage);
      release(lineage);
      await this.within('closed', closed);
    }
    await this.acknowledged();
    this.#isClosing = false;
  }

  /** After reopening, an event with an unknown outcome is in the log, or never will be. */
  async learn(model) {
    if (model.unknown.size === 0) return;
    for await (const event of this.bus.read({ topic: '*' })) model.found(event);
    model.unknown.clear();
  }

  /** Notes the cursor, after handlers that have ended by now are counted as ended. */
  async #ended(lineage) {
    await new Promise((resolve) => setImmediate(resolve));
    lineage.life.ended = true;
    lineage.cursor = lineage.subscription.cursor;
    lineage.subscription = undefined;
  }

  /** Waits until nothing is in flight, and compares everything with the model. */
  async settle(model) {
    for (const lineage of model.lineages) release(lineage);
    await this.acknowledged();
    const whole = [];
    for await (const event of this.bus.read({ topic: '*' })) whole.push(event);
    model.checkWhole(whole);
    const active = model.lineages.filter(({ subscription }) => subscription !== undefined);
    for (const lineage of active) {
      // An update judges what a shard has not passed over yet by the new filter, as after a crash, so it waits for that.
      await this.#until(
        () => lineage.missing(model).length === 0 && lineage.subscription.lag === 0,
      );
    }
    await this.within('drain', this.bus.drain());
    for (const lineage of active) lineage.check(model);
    const { subscriptions } = await this.bus.stats();
    assert.equal(subscriptions, active.length, 'subscriptions in the stats');
    assert.deepEqual(this.errors, [], 'onError was not called');
  }

  /** Waits until the condition holds or the deadline has passed; the checks then report what is missing. */
  async #until(condition) {
    const deadline = Date.now() + this.deadlineMs;
    while (!condition() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
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
      await this.within('close', this.bus?.close() ?? Promise.resolve());
    } finally {
      rmSync(this.directory, { recursive: true, force: true });
    }
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
