import { captureContext } from '#async-context';
import type { RunInContext } from '../async-context/context.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Listeners by name, for a browser as for Node. A listener that throws or rejects is its owner's fault:
 * it is told to whoever made this, and the others are called all the same.
 */
type Listeners<Events> = { [E in keyof Events]?: Map<Events[E], RunInContext> };

type Listener = (...values: never[]) => unknown;

export class Emitter<Events extends { [E in keyof Events]: Listener }> {
  readonly #listeners: Listeners<Events> = {};
  readonly #owner: string;
  readonly #report: (error: BusError) => void;

  /** `owner`: whose listeners they are, for the message; `report` is told of those that fail. */
  constructor(owner: string, report: (error: BusError) => void) {
    this.#owner = owner;
    this.#report = report;
  }

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    const listeners = (this.#listeners[event] ??= new Map());
    // In the async context of whoever listens.
    if (!listeners.has(listener)) listeners.set(listener, captureContext());
  }

  off<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#listeners[event]?.delete(listener);
  }

  has(event: keyof Events): boolean {
    return (this.#listeners[event]?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...values: Parameters<Events[E]>): void {
    for (const [listener, run] of [...(this.#listeners[event] ?? [])]) {
      try {
        Promise.resolve(run(listener, ...values)).catch((error) => this.#failed(event, error));
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
