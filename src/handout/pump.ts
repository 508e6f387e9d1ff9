import { captureHandlerContext } from '#async-context';
import type { Drained } from '../async-context/drain-in-handler.js';
import { Queue } from '../collections/queue.js';
import { BusError } from '../protocol/errors.js';
import { errorOf } from '../protocol/thrown.js';
import type { Dispatched, Turns } from './dispatcher.js';
import { Waiters } from './waiters.js';

/**
 * Between a queue and its taker, a handler or an iterator: one value at a time is in hand. It is consumed when the handler has
 * returned or its promise has resolved, or when an iterator is asked for the next one. One thread; the rules are in
 * docs/adr/0032-one-way-from-a-queue-to-its-taker.md.
 */

/** A queue, as its pump sees it. The value that was taken last is in hand until it is settled or abandoned. */
export interface Supply<T> {
  /** Neither a value nor anything between values waits. */
  readonly isEmpty: boolean;
  /** Passes whatever stands in front of the next value, unless a value is in hand. False: no value waits. */
  advance(): boolean;
  /** The next value, which is in hand from now on; `advance` has said that there is one. */
  take(): T;
  /** The value in hand, if there is one, is consumed. */
  settle(): void;
  /** Forgets the value in hand: it stays before the position and is never settled. */
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
  /** The handler is the subscriber's, and runs in its async context. */
  readonly #run = captureHandlerContext(this);
  readonly #readers = new Queue<Reader<T>>();
  readonly #waiters = new Waiters();
  #isInHand = false;
  #isHandling = false;
  /** Settles when a handler that returned a promise is done with the value in hand. */
  #handling: Promise<void> | undefined;
  #isFinished = false;
  #failure: Error | undefined;

  /** `turns`: left out, the pump hands out whatever there is at once. */
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

  /** The handler, as a `drain()` has to see it. */
  get handler(): Omit<Drained, 'id'> {
    const isHandling = this.#isHandling && !this.#isFinished;
    return { owner: this, isHandling, handling: isHandling ? this.#handling : undefined };
  }

  /** Hands out what there is, as far as the handler or the iterator takes it. */
  flush(): void {
    if (this.#handler === undefined) this.#serveReaders();
    else if (!this.#isHandling) this.#run(this.#handle, this.#handler);
  }

  /** The next value of the iterator; the one before it is consumed. */
  next(): Promise<IteratorResult<T>> {
    if (this.#handler !== undefined) {
      const message = 'a subscription with a handler cannot be iterated; subscribe without one';
      return Promise.reject(new BusError('OPTION_INVALID', message));
    }
    this.#settle();
    // Whoever asked before is given its value before.
    if (this.#readers.length === 0 && this.#mayHandOut()) {
      return Promise.resolve({ done: false, value: this.#take() });
    }
    if (this.#isFinished) return this.#end();
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** The iterator was left, perhaps by an error in its loop's body: rather once too often than never. */
  abandon(): void {
    this.#isInHand = false;
    this.#supply.abandon();
  }

  /** Resolves once the condition holds, or all is over. It is looked at whenever something was consumed, and in `recheck`. */
  when(isDone: () => boolean): Promise<void> {
    return this.#waiters.when(() => this.#isFinished || isDone());
  }

  /** Something else has changed that a condition of `when` may look at. */
  recheck(): void {
    this.#waiters.wake();
  }

  /** Resolves once whatever waits is consumed, or all is over. Where nothing waits, an iterator may have an event in hand. */
  emptied(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return this.when(() => this.isIdle && !this.#isInHand);
  }

  /** Nothing is handed out any more. Of those who ask for more, the first is told of the failure. */
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
        // A handler without types may return anything, `null` too. Only a promise settles once, whatever a thenable does.
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
    // Not consumed: whoever resumes from the cursor gets it again.
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

  /** There is a value, and time for it; if there is no time, it is handed out in the next turn. */
  #mayHandOut(): boolean {
    if (!this.#supply.advance()) return false;
    if (this.#turns === undefined || this.#turns.hasTime()) return true;
    this.#turns.postpone(this);
    return false;
  }

  #serveReaders(): void {
    while (this.#supply.advance() && this.#readers.length > 0) {
      // Whoever asks for a second value has done with the first.
      this.#settle();
      // A listener that was told of what stood in between may have ended it all.
      if (!this.#supply.advance()) break;
      this.#readers.shift()!.resolve({ done: false, value: this.#take() });
    }
    this.#waiters.wake();
  }
}
