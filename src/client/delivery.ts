import { captureHandlerContext } from '#async-context';
import type { Drained } from '../async-context/drain-in-handler.js';
import { Deque } from '../collections/deque.js';
import type { EventHandler } from '../protocol/bus-api.js';
import type { Event } from '../protocol/event.js';
import { errorOf } from '../protocol/thrown.js';
import { ConsumedPosition } from './consumed-position.js';

/**
 * The near end of a subscription: events that have arrived, handed one at a time to a handler or to
 * whoever iterates. An event is consumed when its handler is done with it, or when the next one is
 * asked for. Between events stand marks: positions, and what has to be told at this place.
 */

/** An event as it waits. */
export interface Item<P> {
  readonly event: Event<P>;
  /** Whether the position moves past the event by itself; one of several coalesced does not. */
  readonly isStep: boolean;
  /** Events of the server that are consumed with this one, and their length in characters. */
  readonly events: number;
  readonly chars: number;
}

export interface Mark {
  readonly event?: undefined;
  readonly cursor?: string;
  readonly tell?: () => void;
}

export interface DeliveryHost {
  onConsumed(events: number, chars: number): void;
  /** The last event that waited is being handed out. */
  onIdle(): void;
  onHandlerFailed(error: Error): void;
}

interface Reader<P> {
  readonly resolve: (result: IteratorResult<Event<P>>) => void;
  readonly reject: (error: Error) => void;
}

export class Delivery<P> {
  readonly position: ConsumedPosition;
  readonly #handler: EventHandler<P> | undefined;
  readonly #host: DeliveryHost;
  readonly #queue = new Deque<Item<P> | Mark>();
  readonly #readers = new Deque<Reader<P>>();
  /** The handler is the subscriber's, and runs in its async context. */
  readonly #run = captureHandlerContext(this);
  #waiters: (() => void)[] = [];
  /** Handed out and not consumed. */
  #current: Item<P> | undefined;
  #pending = 0;
  #marks = 0;
  #isHandling = false;
  #handling: Promise<void> | undefined;
  #isFinished = false;
  #failure: Error | undefined;

  constructor(cursor: string, handler: EventHandler<P> | undefined, host: DeliveryHost) {
    this.position = new ConsumedPosition(cursor);
    this.#handler = handler;
    this.#host = host;
  }

  /** Events that wait. */
  get pending(): number {
    return this.#pending;
  }

  /** Those and the one that is being consumed. */
  get held(): number {
    return this.#pending + (this.#current?.events ?? 0);
  }

  /** Marks that wait. */
  get marks(): number {
    return this.#marks;
  }

  /** Nobody is called yet: see `flush`. */
  push(item: Item<P>): void {
    this.#queue.push(item);
    this.#pending += item.events;
  }

  mark(mark: Mark): void {
    this.#queue.push(mark);
    this.#marks++;
  }

  /** Hands out what there is, as far as the handler or the iterator takes it. */
  flush(): void {
    if (this.#handler === undefined) this.#serveReaders();
    else if (!this.#isHandling) this.#run(this.#handle, this.#handler);
  }

  next(): Promise<IteratorResult<Event<P>>> {
    if (this.#handler !== undefined) {
      return Promise.reject(new Error('a subscription with a handler cannot be iterated'));
    }
    this.settle();
    const item = this.#take();
    if (item !== undefined) return Promise.resolve({ done: false, value: item.event });
    if (!this.#isFinished) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    }
    return this.#end();
  }

  /** What was handed out last is consumed. */
  settle(): void {
    const item = this.#current;
    if (item === undefined) return;
    this.#current = undefined;
    const { event, isStep, events, chars } = item;
    if (isStep && event.sequence !== undefined) this.position.pass(event.shard, event.sequence);
    this.#passMarks();
    this.#host.onConsumed(events, chars);
    this.#wake();
  }

  /** Drops what waits; the position stays where it is. */
  clear(): void {
    this.#queue.clear();
    this.#pending = 0;
    this.#marks = 0;
  }

  /** Forgets the event that was handed out last: it stays before the position, and is settled no more. */
  abandon(): void {
    this.#current = undefined;
  }

  /** What a `drain()` has to know of its handler. */
  get handler(): Omit<Drained, 'id'> {
    const isHandling = this.#isHandling && !this.#isFinished;
    return { owner: this, isHandling, handling: isHandling ? this.#handling : undefined };
  }

  /** Resolves when nothing waits and no handler is at work, or it is over. */
  emptied(): Promise<void> {
    this.#passMarks();
    if (this.#isFinished || this.#isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  finish(failure?: Error): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#failure = failure;
    this.#wake();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
    }
  }

  /** Whoever asks first is told what it ended in. */
  #end(): Promise<IteratorResult<Event<P>>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure);
    return Promise.resolve({ done: true, value: undefined });
  }

  get #isEmpty(): boolean {
    return this.#queue.length === 0 && !this.#isHandling;
  }

  readonly #handle = (handler: EventHandler<P>): void => {
    this.#isHandling = true;
    try {
      for (let item = this.#take(); item !== undefined; item = this.#take()) {
        const answer = handler(item.event);
        // Whatever a handler without types returns, `null` too; a thenable is made a promise, which settles once.
        if (typeof answer?.then === 'function') {
          this.#handling = Promise.resolve(answer).then(this.#handled, this.#handlerFailed);
          return;
        }
        this.settle();
      }
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    this.#isHandling = false;
    this.#wake();
  };

  readonly #handled = (): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    this.settle();
    this.flush();
  };

  readonly #handlerFailed = (error: unknown): void => {
    this.#isHandling = false;
    this.#handling = undefined;
    // Not consumed: whoever resumes from the cursor gets it again.
    this.#current = undefined;
    this.#host.onHandlerFailed(errorOf(error));
  };

  #take(): Item<P> | undefined {
    this.#passMarks();
    const item = this.#queue.shift() as Item<P> | undefined;
    if (item === undefined) return undefined;
    this.#current = item;
    this.#pending -= item.events;
    if (this.#pending === 0) this.#host.onIdle();
    return item;
  }

  #serveReaders(): void {
    this.#passMarks();
    while (this.#readers.length > 0) {
      this.settle();
      const item = this.#take();
      if (item === undefined) return;
      this.#readers.shift()!.resolve({ done: false, value: item.event });
    }
  }

  /** The marks in front of the next event, unless the one before them is still being consumed. */
  #passMarks(): void {
    if (this.#current !== undefined) return;
    for (let mark = this.#queue.peek(); mark !== undefined; mark = this.#queue.peek()) {
      if (mark.event !== undefined) return;
      this.#queue.shift();
      this.#marks--;
      if (mark.cursor !== undefined) this.position.reach(mark.cursor);
      mark.tell?.();
    }
  }

  #wake(): void {
    if (this.#waiters.length === 0 || !(this.#isFinished || this.#isEmpty)) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
