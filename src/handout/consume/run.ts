/**
 * A member that calls a handler, several at once. An event is acknowledged when its handler has returned or its promise
 * has resolved, and given back when the handler throws or rejects, unless the handler has settled it itself. Used by one
 * thread.
 */
import { captureHandlerContext } from '#async-context';
import { type Drained, drainOutside } from '../../async-context/drain-in-handler.js';
import type { ParsedRunOptions } from '../../protocol/consumer-options.js';
import type { Delivery, Run } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { REASON_LENGTH_MAX } from '../../protocol/limits/consumers.js';
import { messageOf } from '../../protocol/thrown.js';
import type { Turns } from '../dispatcher.js';
import { Lifetime } from '../lifetime.js';
import { watchSignal } from '../watch-signal.js';
import type { HeldDelivery } from './held-delivery.js';
import type { Join, TakenMember, Taker } from './taker.js';

export interface RunHost {
  readonly turns: Turns;
  /** Reports a failure that no promise can carry. */
  report(error: BusError): void;
}

/** Calls a handler with a delivery. */
export type HandlerCall = (delivery: Delivery) => void | Promise<void>;

export class ConsumerRun<D extends HeldDelivery = HeldDelivery> implements Run, Taker<D> {
  readonly #handler: HandlerCall;
  readonly #host: RunHost;
  readonly #member: TakenMember<D>;
  readonly #lifetime = new Lifetime();
  /** Runs the handler in the async context of the code that called `run`. */
  readonly #inContext = captureHandlerContext(this);
  /** Handlers that have returned a promise, by the event that they work on. */
  readonly #promises = new Map<D, Promise<void>>();
  #isFlushDue = false;
  #ending: Promise<void> | undefined;

  /** @throws BusError as `join` */
  constructor(
    join: Join<D>,
    handler: HandlerCall,
    { concurrency, prefetch, name, signal }: ParsedRunOptions,
    host: RunHost,
  ) {
    this.#handler = handler;
    this.#host = host;
    this.#member = join({ concurrency, prefetch, name }, this);
    if (signal !== undefined) this.#endOnAbort(signal);
  }

  get closed(): Promise<void> {
    return this.#lifetime.closed;
  }

  drain(): Promise<void> {
    this.#member.drain();
    return this.#left();
  }

  stop(): Promise<void> {
    this.#member.stop();
    return this.#left();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The handlers at work, for a wait that must not wait for its own caller. */
  get drained(): readonly Drained[] {
    const { number, hand, consumer } = this.#member;
    const id = `${consumer.name}-${number}`;
    return [...hand.atWork()].map((delivery) => ({
      id,
      owner: this,
      isHandling: true,
      handling: this.#promises.get(delivery),
    }));
  }

  /** The events whose handlers have not ended. */
  get atWork(): Iterable<D> {
    return this.#member.hand.atWork();
  }

  flush(): void {
    if (this.#member.hand.next() !== undefined) this.#inContext(this.#handOut);
  }

  onOver(): void {}

  onEnded(error: BusError): void {
    this.#lifetime.end(error.code === 'BUS_CLOSED' ? undefined : error);
  }

  readonly #handOut = (): void => {
    while (this.#member.hand.next() !== undefined) {
      if (!this.#host.turns.hasTime()) {
        this.#host.turns.postpone(this);
        return;
      }
      const delivery = this.#member.begin();
      if (delivery === undefined) return;
      this.#handle(delivery);
    }
  };

  #handle(delivery: D): void {
    try {
      const answer = this.#handler(delivery);
      // A handler in plain JavaScript may return anything. A thenable is wrapped in a promise, which settles once.
      if (typeof answer?.then === 'function') {
        const handling = Promise.resolve(answer).then(
          () => this.#over(delivery),
          (error: unknown) => this.#failed(delivery, error),
        );
        this.#promises.set(delivery, handling);
        return;
      }
    } catch (error) {
      this.#giveBack(delivery, error);
      this.#release(delivery);
      return;
    }
    delivery.finish();
    this.#release(delivery);
  }

  #over(delivery: D): void {
    delivery.finish();
    this.#next(delivery);
  }

  #failed(delivery: D, error: unknown): void {
    this.#giveBack(delivery, error);
    this.#next(delivery);
  }

  #next(delivery: D): void {
    this.#promises.delete(delivery);
    this.#release(delivery);
    this.#flushSoon();
  }

  /** An event keeps its place and its lease while its ack with events is not decided, awaited or not. */
  #release(delivery: D): void {
    if (!delivery.isPublishing) {
      this.#member.release(delivery);
      return;
    }
    delivery.whenPublished(() => {
      this.#member.release(delivery);
      this.#flushSoon();
    });
  }

  /** Handlers whose promises settle together let the next ones begin together. */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#member.hand.next() === undefined) return;
    this.#isFlushDue = true;
    queueMicrotask(this.#flushDue);
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false;
    this.flush();
  };

  #giveBack(delivery: D, thrown: unknown): void {
    const message = messageOf(thrown);
    if (!delivery.isSettled) {
      delivery.settle('nak', undefined, message.slice(0, REASON_LENGTH_MAX));
      return;
    }
    // Nothing else would tell of it: the event is settled.
    const text = `handler of consumer '${this.#member.consumer.name}' failed after it had settled its event: ${message}`;
    this.#host.report(new BusError('HANDLER_FAILED', text, { cause: thrown }));
  }

  /** @throws BusError `DRAIN_IN_HANDLER`; the member ends all the same */
  #left(): Promise<void> {
    const left = this.#end();
    return drainOutside(this.drained, () => left);
  }

  #end(): Promise<void> {
    this.#ending ??= this.#member.left().then(() => this.#lifetime.end());
    return this.#ending;
  }

  #endOnAbort(signal: AbortSignal): void {
    const onAbort = (): void => {
      this.#member.stop();
      void this.#end();
    };
    if (signal.aborted) {
      queueMicrotask(onAbort);
      return;
    }
    const forget = watchSignal(signal, onAbort);
    this.closed.then(forget, forget);
  }
}
