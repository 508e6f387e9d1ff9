import { captureHandlerContext } from '#async-context';
import type { Drained } from '../async-context/drain-in-handler.js';
import { Queue } from '../collections/queue.js';
import { BusError } from '../protocol/errors.js';
import { errorOf } from '../protocol/thrown.js';
import type { Dispatched, Turns } from './dispatcher.js';
import { Waiters } from './waiters.js';

/**
 * Hands the values of a queue to a handler or an iterator; one value at a time is in hand. It is consumed when the
 * handler has returned or its promise has resolved, or when the iterator is asked for the next value. Used by one
 * thread; the rules are in docs/adr/0032-one-way-from-a-queue-to-its-taker.md.
 */

/** A queue, as its pump sees it. The value taken last is in hand until it is settled or abandoned. */
export interface Supply<T> {
  /** Neither a value nor a mark waits. */
  readonly isEmpty: boolean;
  /** Passes the marks in front of the next value, unless a value is in hand. False if no value waits. */
  advance(): boolean;
  /** Takes the next value, which is then in hand. Only after `advance` returned true. */
  take(): T;
  /** Counts the value in hand, if there is one, as consumed. */
  settle(): void;
  /** Forgets the value in hand without counting it as consumed: the position stays before it. */
  abandon(): void;
}

export type Handler<T> = (value: T) => void | Promise<void>;

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T>) => void;
  readonly reject: (error: Error) => void;
}

export class Pump<T> implements Dispatched {
  readonly #supply: Supply<T>;
  readonly #handler: Handler<T> | undefined;
  readonly #turns: Turns | undefined;
  readonly #onHandlerFailed: (error: Error) => void;
  /** Runs the handler in the async context of the code that subscribed. */
  readonly #run = captureHandlerContext(this);
  readonly #readers = new Queue<Reader<T>>();
  readonly #waiters = new Waiters();
  #isInHand = false;
  #isHandling = false;
  /** Settles when a handler that returned a promise is done with the value in hand. */
  #handling: Promise<void> | undefined;
  #isFinished = false;
  #failure: Error | undefined;

  /** @param turns limits how long values are handed out at a stretch; `undefined`: no limit */
  constructor(
    supply: Supply<T>,
    handler: Handler<T> | undefined,
    turns: Turns | undefined,
    onHandlerFailed: (error: Error) => void,
  ) {
    this.#supply = supply;
    this.#handler = handler;
    this.#turns = turns;
    this.#onHandlerFailed = onHandlerFailed;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** No value waits, and no handler is at work. */
  get isIdle(): boolean {
    return this.#supply.isEmpty && !this.#isHandling;
  }

  /** The handler's state, for a `drain()`. */
  get handler(): Omit<Drained, 'id'> {
    const isHandling = this.#isHandling && !this.#isFinished;
    return { owner: this, isHandling, handling: isHandling ? this.#handling : undefined };
  }

  /** Hands out values as far as the handler or the iterator takes them and there is time. */
  flush(): void {
    if (this.#handler === undefined) this.#serveReaders();
    else if (!this.#isHandling) this.#run(this.#handle, this.#handler);
  }

  /** The iterator's next value. Asking for it consumes the one before. */
  next(): Promise<IteratorResult<T>> {
    if (this.#handler !== undefined) {
      const message = 'a subscription with a handler cannot be iterated; subscribe without one';
      return Promise.reject(new BusError('OPTION_INVALID', message));
    }
    this.#settle();
    // Calls are answered in their order, so a value goes to an earlier call first.
    if (this.#readers.length === 0 && this.#mayHandOut()) {
      return Promise.resolve({ done: false, value: this.#take() });
    }
    if (this.#isFinished) return this.#end();
    // `advance` may have passed over values that nobody is to get any more.
    this.#waiters.wake();
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /**
   * The iterator was left, perhaps by an error in the loop's body. The value in hand is not counted as consumed: it is
   * better delivered again than lost.
   */
  abandon(): void {
    this.#isInHand = false;
    this.#supply.abandon();
  }

  /**
   * Resolves once the condition holds or the pump is finished. The condition is checked whenever a value was consumed,
   * and in `recheck`.
   */
  when(isDone: () => boolean): Promise<void> {
    return this.#waiters.when(() => this.#isFinished || isDone());
  }

  /** Checks the conditions of `when` again; to be called when anything else that they depend on has changed. */
  recheck(): void {
    this.#waiters.wake();
  }

  /**
   * Resolves once all values that wait are consumed, or the pump is finished. If none waits it resolves at once, even
   * while an iterator has a value in hand.
   */
  emptied(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return this.when(() => this.isIdle && !this.#isInHand);
  }

  /**
   * Ends the pump: nothing is handed out any more. Of the calls of `next` that wait or come later, the first is
   * rejected with the failure; the others end the iteration.
   */
  finish(failure?: Error): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#failure = failure;
    this.#waiters.wake();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
    }
  }

  #end(): Promise<IteratorResult<T>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve({ done: true, value: undefined });
  }

  readonly #handle = (handler: Handler<T>): void => {
    this.#isHandling = true;
    try {
      while (this.#mayHandOut()) {
        const answer = handler(this.#take());
        // A handler in plain JavaScript may return anything, `null` too. A thenable is wrapped in a promise, which
        // settles only once.
        if (typeof answer?.then === 'function') {
          this.#handling = Promise.resolve(answer).then(this.#handled, this.#handlerFailed);
          return;
        }
        this.#settle();
      }
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    this.#isHandling = false;
    this.#waiters.wake();
  };

  readonly #handled = (): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    this.#settle();
    this.flush();
  };

  readonly #handlerFailed = (error: unknown): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    // The value is not consumed: a subscription that resumes from the cursor gets it again.
    this.abandon();
    this.#onHandlerFailed(errorOf(error));
  };

  #take(): T {
    this.#isInHand = true;
    return this.#supply.take();
  }

  #settle(): void {
    this.#isInHand = false;
    this.#supply.settle();
    this.#waiters.wake();
  }

  /** Whether a value waits and there is time for it. Without time, the pump is flushed again in the next turn. */
  #mayHandOut(): boolean {
    if (!this.#supply.advance()) return false;
    if (this.#turns === undefined || this.#turns.hasTime()) return true;
    this.#turns.postpone(this);
    return false;
  }

  #serveReaders(): void {
    while (this.#supply.advance() && this.#readers.length > 0) {
      // Asking for another value consumes the one in hand.
      this.#settle();
      // `#settle` may have called a listener, for a mark in between, which has ended the subscription.
      if (!this.#supply.advance()) break;
      this.#readers.shift()!.resolve({ done: false, value: this.#take() });
    }
    this.#waiters.wake();
  }
}
