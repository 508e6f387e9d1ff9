/** Who listens to what a subscription says besides its events. */
import { EventEmitter } from 'node:events';
import { BusError } from '../protocol/errors.js';
import type { SubscriptionEvents } from './bus.js';

export class SubscriptionListeners {
  readonly #id: string;
  readonly #report: (error: BusError) => void;
  readonly #emitter = new EventEmitter();

  /** `report` is told of a failure that nobody listens to. */
  constructor(id: string, report: (error: BusError) => void) {
    this.#id = id;
    this.#report = report;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): void {
    this.#emitter.on(event, listener);
  }

  /** A listener that throws is the user's fault, and must not stop the delivery to others. */
  tell<E extends keyof SubscriptionEvents>(
    event: E,
    ...values: Parameters<SubscriptionEvents[E]>
  ): void {
    try {
      this.#emitter.emit(event, ...values);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  tellFailure(failure: Error): void {
    const error = failure instanceof BusError ? failure : this.#failed('handler', failure);
    if (this.#emitter.listenerCount('error') > 0) this.tell('error', error);
    else this.#report(error);
  }

  #failed(what: string, cause: Error): BusError {
    return new BusError('HANDLER_FAILED', `${what} of ${this.#id} failed: ${cause.message}`, {
      cause,
    });
  }
}
