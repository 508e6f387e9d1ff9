import { captureContext } from '#async-context';
import type { RunInContext } from '../async-context/context.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Listeners by name, for a browser as for Node; each is called in the async context of whoever added it. A listener that throws or
 * rejects is its owner's fault: the failure is reported, and the other listeners are called all the same.
 */
type Listener = (...values: never[]) => unknown;

export class Emitter<Events extends { [E in keyof Events]: Listener }> {
  readonly #listeners = new Map<keyof Events, Map<Listener, RunInContext>>();
  readonly #owner: string;
  readonly #report: (error: BusError) => void;

  /** `owner`: whose listeners they are, for the message; `report` is told of those that fail. */
  constructor(owner: string, report: (error: BusError) => void) {
    this.#owner = owner;
    this.#report = report;
  }

  /** A listener that is there already is not added again. */
  on<E extends keyof Events>(event: E, listener: Events[E]): void {
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

  #failed(event: keyof Events, cause: unknown): void {
    const message = `'${String(event)}' listener of ${this.#owner} failed: ${messageOf(cause)}`;
    this.#report(new BusError('HANDLER_FAILED', message, { cause }));
  }
}
