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
 * How a subscription lives and ends, around the pump that hands out its events: its promises, its listeners, and the order in which
 * `unsubscribe`, `drain` and a failure go about it. One thread.
 */

/** The subscription whose life it is. */
export interface LifeOwner {
  readonly id: string;
  /** Drops what waits; the position stays before it. */
  clear(): void;
  /** Takes no more events. Resolves when the other side knows; at once where that was done before. */
  leave(): Promise<void>;
  /** Told of a failure that nobody listens to, and of those of listeners. */
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

  /** As a `drain()` has to see it. */
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

  /** `ready` resolves. */
  begin(): void {
    this.#lifetime.begin();
  }

  /** Once the signal aborts it is as if somebody had unsubscribed. */
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

  /** Ends it in an error. What was received and not consumed is dropped; the cursor says where to go on. */
  fail(error: Error): void {
    if (this.#pump.isFinished) return;
    this.#owner.clear();
    void this.#owner.leave().catch(() => {});
    this.#finish(error);
  }

  /** Ends it without an error and without the other side, which is going or gone. */
  close(): void {
    this.#owner.clear();
    this.#finish();
  }

  #finish(failure?: Error): void {
    if (this.#pump.isFinished) return;
    this.#pump.finish(failure);
    this.#lifetime.end(failure);
    if (failure !== undefined) this.#tellFailure(failure);
  }

  #tellFailure(failure: Error): void {
    const error = failure instanceof BusError ? failure : this.#handlerFailed(failure);
    if (this.#emitter.has('error')) this.#emitter.emit('error', error);
    else this.#owner.report(error);
  }

  #handlerFailed(cause: Error): BusError {
    const message = `handler of ${this.#owner.id} failed: ${messageOf(cause)}`;
    return new BusError('HANDLER_FAILED', message, { cause });
  }
}
