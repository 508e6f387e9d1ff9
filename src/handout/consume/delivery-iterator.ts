/**
 * A member whose events a program takes one after the other, and settles by hand. An event keeps its place until it is
 * settled or its lease is lost. The member joins with the first `next`. Used by one thread.
 */
import { loopIterator } from '../../collections/loop-iterator.js';
import { Queue } from '../../collections/queue.js';
import type { ParsedRunOptions } from '../../protocol/consumer-options.js';
import type { Delivery } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import { watchSignal } from '../watch-signal.js';
import type { HeldDelivery } from './held-delivery.js';
import type { Join, TakenMember, Taker } from './taker.js';

interface Reader {
  readonly resolve: (result: IteratorResult<Delivery>) => void;
  readonly reject: (error: Error) => void;
}

export class DeliveryIterator<D extends HeldDelivery = HeldDelivery> implements Taker<D> {
  readonly #join: Join<D>;
  readonly #options: ParsedRunOptions;
  readonly #readers = new Queue<Reader>();
  #member: TakenMember<D> | undefined;
  #isEnded = false;
  /** Thrown by the first `next` that finds nothing more. */
  #failure: BusError | undefined;
  #left: Promise<void> | undefined;
  #forget = (): void => {};

  constructor(join: Join<D>, options: ParsedRunOptions) {
    this.#join = join;
    this.#options = options;
    const { signal } = options;
    if (signal?.aborted) this.#isEnded = true;
    else if (signal !== undefined) {
      this.#forget = watchSignal(signal, () => {
        void this.#leave();
      });
    }
  }

  iterator(): AsyncIterableIterator<Delivery> {
    return loopIterator(
      () => this.#next(),
      () => this.#leave(),
    );
  }

  flush(): void {
    while (this.#readers.length > 0) {
      const delivery = this.#member?.begin();
      if (delivery === undefined) return;
      this.#readers.shift()!.resolve({ done: false, value: delivery });
    }
  }

  onOver(delivery: D): void {
    this.#member!.release(delivery);
    this.flush();
  }

  onEnded(error: BusError): void {
    if (error.code !== 'BUS_CLOSED') this.#failure = error;
    this.#finish();
  }

  async #next(): Promise<IteratorResult<Delivery>> {
    if (this.#isEnded) return this.#end();
    if (this.#member === undefined) {
      const { concurrency, name } = this.#options;
      this.#member = this.#join({ concurrency, prefetch: false, name }, this);
    }
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.flush();
    });
  }

  /** Gives back what is not settled, the latest lease first. */
  #leave(): Promise<void> {
    this.#left ??= this.#giveBack();
    return this.#left;
  }

  async #giveBack(): Promise<void> {
    this.#finish();
    const member = this.#member;
    if (member === undefined) return;
    member.stop();
    for (const delivery of [...member.hand.atWork()].reverse()) member.handBack(delivery);
    await member.left();
  }

  #finish(): void {
    this.#isEnded = true;
    this.#forget();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
    }
  }

  async #end(): Promise<IteratorResult<Delivery>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    return { done: true, value: undefined };
  }
}
