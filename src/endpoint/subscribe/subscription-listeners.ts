/** Who listens to what a subscription says besides its events. */

import type { RunInContext } from '../../async-context/context.js';
import { captureContext } from '../../async-context/node-context.js';
import type { SubscriptionEvents, SubscriptionMessages } from '../../protocol/bus-api.js';
import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';

interface Listener<E extends keyof SubscriptionMessages> {
  readonly call: (message: SubscriptionMessages[E]) => unknown;
  /** In the async context of whoever listens. */
  readonly run: RunInContext;
}

type Listeners = {
  [E in keyof SubscriptionMessages]: Listener<E>[];
};

export class SubscriptionListeners {
  readonly #id: string;
  readonly #report: (error: BusError) => void;
  readonly #listeners: Listeners = { gap: [], caughtUp: [], dropped: [], error: [] };

  /** `report` is told of failures that nobody listens to, and of those of listeners. */
  constructor(id: string, report: (error: BusError) => void) {
    this.#id = id;
    this.#report = report;
  }

  on<E extends keyof SubscriptionMessages>(event: E, listener: SubscriptionEvents[E]): void {
    const listeners: Listeners[E] | undefined = this.#listeners[event];
    // Of anything else nothing is ever told.
    listeners?.push({ call: listener, run: captureContext() });
  }

  /** A listener that throws or rejects is the user's fault: it stops neither the delivery nor the other listeners. */
  tell<E extends keyof SubscriptionMessages>(event: E, message: SubscriptionMessages[E]): void {
    for (const { call, run } of [...this.#listeners[event]]) {
      try {
        Promise.resolve(run(call, message)).catch((error) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  tellFailure(failure: Error): void {
    const error = failure instanceof BusError ? failure : this.#errorOf('handler', failure);
    if (this.#listeners.error.length > 0) this.tell('error', error);
    else this.#report(error);
  }

  #failed(event: string, cause: unknown): void {
    this.#report(this.#errorOf(`'${event}' listener`, cause));
  }

  #errorOf(what: string, cause: unknown): BusError {
    const message = `${what} of ${this.#id} failed: ${messageOf(cause)}`;
    return new BusError('HANDLER_FAILED', message, { cause });
  }
}
