import { type Drained, drainOutside } from '../async-context/drain-in-handler.js';
import { loopIterator } from '../collections/loop-iterator.js';
import type { SubscriptionEvents } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { Emitter } from './emitter.js';
import { Lifetime } from './lifetime.js';
import type { Pump } from './pump.js';
import { watchSignal } from './watch-signal.js';

/**
 * The life of a subscription around the pump that hands out its events: its promises, its listeners, and the order of
 * steps in `unsubscribe`, `drain` and a failure. Used by one thread.
 */

/** The subscription, as its life sees it. */
export interface LifeOwner {
  readonly id: string;
  /** Drops the events that wait; the position stays before them. */
  clear(): void;
  /**
   * Takes no more events. Resolves when the other side has confirmed it; at once if the subscription has left before.
   */
  leave(): Promise<void>;
  /** Called with a failure for which there is no `error` listener, and with the failures of listeners. */
  report(error: BusError): void;
}

const SUBSCRIPTION_EVENTS = ['gap', 'caughtUp', 'dropped', 'error'] as const;

export class SubscriptionLife<T> {
  readonly #owner: LifeOwner;
  readonly #pump: Pump<T>;
  readonly #lifetime = new Lifetime();
  readonly #emitter: Emitter<SubscriptionEvents>;

  constructor(owner: LifeOwner, pump: Pump<T>) {
    this.#owner = owner;
    this.#pump = pump;
    this.#emitter = new Emitter(owner.id, SUBSCRIPTION_EVENTS, (error) => owner.report(error));
  }

  get ready(): Promise<void> {
    return this.#lifetime.ready;
  }

  get closed(): Promise<void> {
    return this.#lifetime.closed;
  }

  /** The handler's state, for a `drain()`. */
  get drained(): Drained {
    return { id: this.#owner.id, ...this.#pump.handler };
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): void {
    this.#emitter.on(event, listener);
  }

  off<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): void {
    this.#emitter.off(event, listener);
  }

  emit<E extends keyof SubscriptionEvents>(
    event: E,
    ...message: Parameters<SubscriptionEvents[E]>
  ): void {
    this.#emitter.emit(event, ...message);
  }

  /** Resolves `ready`. */
  begin(): void {
    this.#lifetime.begin();
  }

  /** Unsubscribes when the signal aborts. */
  endOnAbort(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const onAbort = (): void => void this.unsubscribe();
    if (signal.aborted) {
      queueMicrotask(onAbort);
      return;
    }
    const forget = watchSignal(signal, onAbort);
    this.closed.then(forget, forget);
  }

  async unsubscribe(): Promise<void> {
    this.#owner.clear();
    await this.#owner.leave();
    this.#finish();
  }

  /** @throws BusError `DRAIN_IN_HANDLER` */
  async drain(): Promise<void> {
    await drainOutside([this.drained], async () => {
      await this.#owner.leave();
      await this.#pump.emptied();
      this.#finish();
    });
  }

  iterator(): AsyncIterableIterator<T> {
    const leave = (): Promise<void> => {
      this.#pump.abandon();
      return this.unsubscribe();
    };
    return loopIterator(() => this.#pump.next(), leave);
  }

  /**
   * Ends the subscription with an error. Events that were received and not consumed are dropped; the cursor says where
   * to go on.
   */
  fail(error: Error): void {
    if (this.#pump.isFinished) return;
    this.#owner.clear();
    void this.#owner.leave().catch(() => {});
    this.#finish(error);
  }

  /** Ends the subscription without an error and without informing the other side, which is ending or gone. */
  close(): void {
    this.#owner.clear();
    this.#finish();
  }

  #finish(failure?: Error): void {
    if (this.#pump.isFinished) return;
    this.#pump.finish(failure);
    this.#lifetime.end(failure);
    if (failure !== undefined) this.#notifyFailure(failure);
  }

  #notifyFailure(failure: Error): void {
    const error = failure instanceof BusError ? failure : this.#handlerFailed(failure);
    if (this.#emitter.has('error')) this.#emitter.emit('error', error);
    else this.#owner.report(error);
  }

  #handlerFailed(cause: Error): BusError {
    const message = `handler of ${this.#owner.id} failed: ${messageOf(cause)}`;
    return new BusError('HANDLER_FAILED', message, { cause });
  }
}
