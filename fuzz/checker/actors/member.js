import { setTimeout as pass } from 'node:timers/promises';
import { fateOf } from '../plan.js';

/** A member of a consumer: writes down what it has in hand, what it says of it, and what became of that. */
const AGAIN_MS = 200;

export class Member {
  #bus;
  #history;
  #plan;
  #settings;

  constructor({ bus, history, plan, settings }) {
    this.#bus = bus;
    this.#history = history;
    this.#plan = plan;
    this.#settings = settings;
  }

  async run() {
    for (;;) {
      try {
        const { concurrency, name, consumer: of } = this.#settings;
        const consumer = await this.#bus.consumer(of, this.#plan.consumers[of]);
        const run = consumer.run((delivery) => this.#do(delivery), {
          concurrency,
          name,
        });
        await run.closed;
        return;
      } catch (error) {
        this.#history.write(0, 'state', `ended: ${error.code ?? error.stack}`);
        if (error.code === 'BUS_CLOSED') return;
      }
      await pass(AGAIN_MS);
    }
  }

  /** A member works until the end of the run. */
  async rest() {}

  async #do(delivery) {
    const { event, attempt } = delivery;
    const { id, topic, shard, sequence } = event;
    const lease = Number(delivery.lease.split('.').at(-1));
    const key = event.attributes?.key;
    const { consumer } = this.#settings;
    const { workMs, says } = fateOf(this.#plan, id, { attempt, lease, consumer });
    const history = this.#history;
    const job = {
      consumer,
      id,
      topic,
      key,
      shard,
      sequence,
      lease,
      attempt,
    };
    const operation = history.invoke('job', job);
    if (workMs > 0) await pass(workMs);
    history.write(operation, 'say', says);
    try {
      if (says === 'nak') await delivery.nak();
      else if (says === 'back') await delivery.nak({ count: false });
      else if (says === 'term') await delivery.term('doomed');
      else await delivery.ack();
      history.write(operation, 'ok');
    } catch (error) {
      const isLost = error.code === 'LEASE_LOST';
      history.write(operation, isLost ? 'fail' : 'unknown', error.code ?? String(error.stack));
    }
  }
}
