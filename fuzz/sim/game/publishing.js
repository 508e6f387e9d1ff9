import { world } from '../world/world.js';
import { laterBy } from './later.js';

const CANCELS_FAIL_WITH = [
  'BUS_CLOSED',
  'CONNECTION_FAILED',
  'SHARD_RESTARTED',
  'STORE_FAILED',
  'STORE_FULL',
];

/** The publishes of one endpoint, whose fates go to the history. */
export class Publishing {
  #endpoint;
  #process;
  #publisher;
  #history;

  constructor(endpoint, { publisher, process }, history) {
    this.#endpoint = endpoint;
    this.#process = process;
    this.#publisher = publisher;
    this.#history = history;
  }

  #inputOf(publish, { topic, pad, hasId }) {
    const payload = { n: publish.n, pad: 'x'.repeat(pad) };
    const input = { topic, type: 'sim', payload };
    publish.input = hasId ? { ...input, id: `e-${publish.n}` } : input;
    return publish.input;
  }

  async publish(event) {
    const publish = this.#history.invoke(event, this.#publisher, this.#process);
    if (event.delayMs !== undefined) publish.later = laterBy(event.delayMs);
    await this.#send(publish, this.#inputOf(publish, event), event);
  }

  async #send(publish, input, { persist, durability, delayMs }) {
    try {
      const options = persist ? { durability, delayMs } : { persist };
      this.#history.ok(publish, await this.#endpoint.publish(input, options));
    } catch (error) {
      this.#fail(publish, error);
    }
  }

  #fail(publish, error) {
    if (error?.code === undefined)
      this.#history.problem(`a publish was refused without a code: ${error?.stack}`);
    this.#history.fail(publish, error);
  }

  async many(events, atomic) {
    const one = events[0];
    const publishes = [];
    const inputs = events.map((event) => {
      const topic = atomic ? one.topic : event.topic;
      const like = { ...event, topic, persist: true, durability: one.durability };
      const publish = this.#history.invoke(like, this.#publisher, this.#process);
      publish.group = atomic ? (publishes[0]?.n ?? publish.n) : undefined;
      publishes.push(publish);
      return this.#inputOf(publish, like);
    });
    try {
      const acks = await this.#endpoint.publishMany(inputs, { durability: one.durability, atomic });
      for (const [i, publish] of publishes.entries()) this.#history.ok(publish, acks[i]);
    } catch (error) {
      // Without `atomic`, those before the one that failed may be stored.
      for (const publish of publishes) {
        if (!atomic) publish.wasUnknown = true;
        this.#fail(publish, error);
      }
    }
  }

  /** Publishes once more what this or an earlier process published with an id: it must be stored once. */
  async repeat({ pick, isSynced }) {
    const known = this.#history.publishes.filter(
      (one) =>
        one.input?.id !== undefined &&
        one.persist &&
        one.status !== 'pending' &&
        !one.isCancelled &&
        !one.mayBeCancelled &&
        !this.#mayBeForgotten(one),
    );
    if (known.length === 0) return;
    const publish = known[pick % known.length];
    const { status, ack } = publish;
    publish.isRepeated = true;
    // If it was refused before, this is the publish by which it may be stored.
    publish.isOfAnother ||= status !== 'ok' && publish.publisher !== this.#publisher;
    try {
      const durability = isSynced ? 'synced' : publish.durability;
      const delayMs = publish.later?.delayMs;
      const again = await this.#endpoint.publish(publish.input, { durability, delayMs });
      this.#judgeRepeat(publish, again, status, ack);
    } catch (error) {
      if (error?.code === undefined)
        this.#history.problem(`a repeat was refused without a code: ${error?.stack}`);
      const isUnknown = error?.code === 'PUBLISH_UNKNOWN' || error?.code === 'SHARD_RESTARTED';
      if (isUnknown && status !== 'ok') publish.status = 'unknown';
    }
  }

  /** An opening takes an id's age from the wall clock, which may have been put forward (ADR 12). */
  #mayBeForgotten({ process }) {
    return process !== this.#process && world().wallShift > world().wallShiftLeast;
  }

  #judgeRepeat(publish, again, status, ack) {
    const wasStored = status === 'ok' || publish.status === 'ok';
    const isElsewhere = publish.later === undefined && again.sequence !== ack?.sequence;
    if (status === 'ok' && (isElsewhere || !again.duplicate)) {
      const told = `${JSON.stringify(again)} after ${JSON.stringify(ack)}`;
      if (publish.mayBeLost !== true)
        this.#history.problem(`a repeat of ${publish.n} was stored again: ${told}`, 'repeated');
    }
    if (!wasStored) this.#history.ok(publish, again);
    if (again.durability !== 'synced') return;
    // It survives a power cut from now on, whatever was asked for at first.
    Object.assign(publish, { isSynced: true, mayBeLost: false, ack: again });
  }

  /** Cancels what this or an earlier process published for later. */
  async cancel({ pick }) {
    const known = this.#history.publishes.filter(
      ({ later, input, status, mayBeLost, isRepeated }) =>
        later?.dueAt !== undefined &&
        input?.id !== undefined &&
        status === 'ok' &&
        !mayBeLost &&
        !isRepeated,
    );
    if (known.length === 0) return;
    const publish = known[pick % known.length];
    publish.mayBeCancelled = true;
    try {
      const isCancelled = await this.#endpoint.cancel(publish.input.id, { topic: publish.topic });
      if (isCancelled) publish.isCancelled = true;
    } catch (error) {
      if (!CANCELS_FAIL_WITH.includes(error?.code))
        this.#history.problem(`a cancellation failed: ${error?.code} ${error?.stack}`);
    }
  }
}
