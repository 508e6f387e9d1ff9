import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type {
  EventInput,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from '../protocol/event.js';

/**
 * The publishes of one client, handed to the endpoint in their order.
 *
 * A publish on a topic that has a definition waits until the thread that opened the bus has checked its payload, and
 * later publishes of the client wait behind it. All others are handed on at once. The checks themselves run side by
 * side, and a payload that does not fit stops nothing but its own publish.
 */
export class PublishLane {
  readonly #endpoint: BusEndpoint;
  readonly #stillMay: (events: readonly EventInput[]) => void;
  /** Resolves when the last publish that waits has been handed on or refused. */
  #last: Promise<void> | undefined;

  /** `stillMay` throws where the client may not publish these events any more; called for publishes that had to wait. */
  constructor(endpoint: BusEndpoint, stillMay: (events: readonly EventInput[]) => void) {
    this.#endpoint = endpoint;
    this.#stillMay = stillMay;
  }

  publish(event: EventInput, options: PublishOptions | undefined): Promise<PublishAck> {
    return this.#pass([event], false, () => this.#endpoint.publish(event, options));
  }

  publishMany(
    events: readonly EventInput[],
    options: PublishManyOptions | undefined,
  ): Promise<PublishAck[]> {
    return this.#pass(events, true, () => this.#endpoint.publishMany(events, options));
  }

  /** Events that are published by `hand`, in one commit with something else. */
  publishWith(
    events: readonly EventInput[],
    hand: () => Promise<PublishAck[]>,
  ): Promise<PublishAck[]> {
    return this.#pass(events, true, hand);
  }

  #pass<T>(events: readonly EventInput[], isBatch: boolean, hand: () => Promise<T>): Promise<T> {
    const check = internalsOf(this.#endpoint)?.openerChecks?.check(events, isBatch);
    if (check === undefined && this.#last === undefined) return hand();
    return this.#passInTurn(events, check, hand);
  }

  async #passInTurn<T>(
    events: readonly EventInput[],
    check: Promise<void> | undefined,
    hand: () => Promise<T>,
  ): Promise<T> {
    // It may be refused before its turn has come.
    check?.catch(() => {});
    const before = this.#last;
    let pass = (): void => {};
    const passed = new Promise<void>((resolve) => {
      pass = resolve;
    });
    this.#last = passed;
    try {
      await before;
      await check;
      this.#stillMay(events);
      // Not awaited here: the next publish goes on once this one is handed on.
      return hand();
    } finally {
      if (this.#last === passed) this.#last = undefined;
      pass();
    }
  }
}
