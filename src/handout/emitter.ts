import { captureContext } from '#async-context';
import type { RunInContext } from '../async-context/context.js';
import { BusError } from '../protocol/errors.js';
import { quote } from '../protocol/quote.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Listeners by event name, for browsers and Node alike. Each is called in the async context of the code that added it.
 * If a listener throws or rejects, the failure is reported and the other listeners are called all the same.
 */
type Listener = (...values: never[]) => unknown;

export class Emitter<Events extends { [E in keyof Events]: Listener }> {
  readonly #listeners = new Map<keyof Events, Map<Listener, RunInContext>>();
  readonly #owner: string;
  readonly #events: readonly (keyof Events)[];
  readonly #report: (error: BusError) => void;

  /**
   * @param owner names the object in error messages
   * @param events every event that there is
   * @param report called with the failure of a listener
   */
  constructor(owner: string, events: readonly (keyof Events)[], report: (error: BusError) => void) {
    this.#owner = owner;
    this.#events = events;
    this.#report = report;
  }

  /**
   * Adds a listener, unless it was added before.
   *
   * @throws BusError `OPTION_INVALID` for an unknown event, whose listener would never be called
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#check(event, listener);
    const listeners = this.#listeners.get(event) ?? new Map<Listener, RunInContext>();
    this.#listeners.set(event, listeners);
    if (!listeners.has(listener)) listeners.set(listener, captureContext());
  }

  off<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#listeners.get(event)?.delete(listener);
  }

  has(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...values: Parameters<Events[E]>): void {
    for (const [listener, run] of [...(this.#listeners.get(event) ?? [])]) {
      try {
        const answer = run(listener as (...values: unknown[]) => unknown, ...values);
        Promise.resolve(answer).catch((error) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  #check(event: keyof Events, listener: unknown): void {
    let fault: string | undefined;
    if (!this.#events.includes(event)) {
      fault = `there is no event ${quote(event)}, only ${this.#events.join(', ')}`;
    } else if (typeof listener !== 'function') {
      fault = `the listener of ${quote(event)} has to be a function, not ${quote(listener)}`;
    }
    if (fault !== undefined) throw new BusError('OPTION_INVALID', `on: ${this.#owner}: ${fault}`);
  }

  #failed(event: keyof Events, cause: unknown): void {
    const message = `'${String(event)}' listener of ${this.#owner} failed: ${messageOf(cause)}`;
    this.#report(new BusError('HANDLER_FAILED', message, { cause }));
  }
}
