import { History } from './history.js';
import { markerOf } from './plan.js';

/**
 * Ends a run: sees whether all that waits for its time has become events, and all jobs are done, and publishes a marker
 * into each shard, behind everything else.
 */
const NAME = 'coordinator';

export class Coordinator {
  #client;
  #withPayloadText;
  #history;
  #plan;

  constructor(client, withPayloadText, folder, plan) {
    this.#client = client;
    this.#withPayloadText = withPayloadText;
    this.#history = History.of(folder, NAME);
    this.#plan = plan;
  }

  get epoch() {
    return this.#client.epoch;
  }

  /** Publishes markers until each shard has one. */
  async mark(until) {
    const shards = new Set();
    for (let n = 0; shards.size < this.#plan.shards; n++) {
      if (performance.now() > until) throw new Error(`only ${shards.size} shards have a marker`);
      const { input, text, entry } = markerOf(`${NAME}-${n}`, `end.${n}`);
      const operation = this.#history.invoke('publish', {
        events: [entry],
        durability: 'synced',
      });
      const ack = await this.#client.publish(this.#withPayloadText(input, text));
      const { shard, sequence, durability } = ack;
      const acks = [[shard, sequence, durability, 0]];
      this.#history.write(operation, 'ok', { epoch: this.#client.epoch, acks });
      shards.add(shard);
    }
  }

  /** No publish waits for its time any more. */
  async isNothingDue() {
    const { publishes } = await this.#client.scheduled();
    return publishes.length === 0;
  }

  /** All events of consumers are done or dead, and letters of the dead are published. */
  async areJobsDone() {
    for (const [name, definition] of Object.entries(this.#plan.consumers)) {
      const consumer = await this.#client.consumer(name, definition);
      const { pending, inFlight, lettersDue } = await consumer.info();
      if (pending > 0 || inFlight > 0 || lettersDue > 0) return false;
    }
    return true;
  }

  async close() {
    this.#history.write(0, 'end');
    await this.#client.close();
  }
}
