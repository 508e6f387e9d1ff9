import { setTimeout as pass } from 'node:timers/promises';
import { Random } from '../../storage/random.js';
import { digestOfEvent } from '../events.js';

/**
 * A reader: subscribes, writes down all that it gets, and saves its cursor now and then. When its subscription or its
 * process ends, it goes on from the cursor that it saved last.
 */
const AGAIN_MS = 100;

export class Reader {
  #bus;
  #history;
  #settings;
  #shards;
  #onCaughtUp;
  #random;
  #isOver = false;
  #subscription;
  /** Shards whose marker has come. */
  #marked = new Set();
  #unsaved = 0;

  /** @param onCaughtUp called once the markers of all shards have come */
  constructor({ bus, history, plan, settings, onCaughtUp }) {
    this.#bus = bus;
    this.#history = history;
    this.#settings = settings;
    this.#shards = plan.shards;
    this.#onCaughtUp = onCaughtUp;
    this.#random = new Random(plan.seed);
  }

  async run() {
    while (!this.#isOver) {
      await this.#subscribe();
      if (!this.#isOver) await pass(AGAIN_MS);
    }
  }

  /** A reader reads on until the end of the run. */
  async rest() {}

  async #subscribe() {
    const { name, filter, maxBuffer } = this.#settings;
    const history = this.#history;
    const cursor = history.cursors.get(name);
    const from = cursor === undefined ? this.#settings.from : 'checkpoint';
    const operation = history.invoke('subscribe', { as: name, filter, from });
    let count = 0;
    const subscription = this.#bus.subscribe(
      filter,
      (event) => {
        // The cursor covers what was consumed before this event, which is all that is written down.
        if (count++ > 0 && ++this.#unsaved >= this.#settings.savesEvery) this.#save(operation);
        return this.#take(operation, event);
      },
      {
        from: cursor === undefined ? from : { after: cursor },
        maxBuffer,
        name,
      },
    );
    this.#subscription = subscription;
    subscription.on('gap', ({ shard, from: first, to, reason }) =>
      history.write(operation, 'gap', shard, first, to, reason),
    );
    subscription.on('dropped', ({ count: lost }) => history.write(operation, 'dropped', lost));
    subscription.ready.then(
      () => {
        history.write(operation, 'ok');
        if (count === 0) this.#save(operation);
      },
      () => {},
    );
    try {
      await subscription.closed;
      history.write(operation, 'ended', 'closed');
    } catch (error) {
      history.write(operation, 'ended', error.code ?? String(error.stack));
    }
  }

  #save(operation) {
    this.#unsaved = 0;
    const { cursor } = this.#subscription;
    this.#history.cursors.set(this.#settings.name, cursor);
    this.#history.write(operation, 'checkpoint', cursor);
  }

  #take(operation, event) {
    if (this.#random.chance(this.#settings.slowShare)) {
      return pass(5 + this.#random.below(40)).then(() => this.#note(operation, event));
    }
    return this.#note(operation, event);
  }

  #note(operation, event) {
    const { shard, sequence = 0, id, topic } = event;
    this.#history.write(operation, 'event', shard, sequence, id, topic, digestOfEvent(event));
    if (!topic.startsWith('end.')) return;
    this.#marked.add(shard);
    if (this.#marked.size === this.#shards) this.#onCaughtUp(this.#settings.name);
  }
}
