/**
 * All waiting and waking of threads that share rings. Every wait has a timeout, because a thread that dies leaves its
 * words in shared memory as they are and never sends a wake-up that it owed.
 *
 * Each waiting thread has a word in shared memory that says whether it is parked. The waiter sets it and
 * looks once more for work; the waker first makes the work visible and then looks at the word. Atomic
 * operations have one order that all threads agree on, so at least one of the two sees the other: the
 * waiter does not park, or the waker wakes it.
 */
import type { MessagePort } from 'node:worker_threads';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';

const AWAKE = 0;
const PARKED = 1;

/** How a shard waits for work, whether its thread blocks or lives on an event loop. */
export interface WaitStrategy {
  /**
   * Parks until woken, at most `timeoutMs`, unless `isIdle` returns false. `isIdle` is called after the thread is
   * marked as parked, and must read the shared words anew.
   * @returns the milliseconds parked
   */
  idle(isIdle: () => boolean, timeoutMs: number): number | Promise<number>;
}

/** For a thread that blocks. It is woken with `wakeParked`, and sees no messages while it is parked. */
export class AtomicsWaitStrategy implements WaitStrategy {
  readonly #int32: Int32Array;
  readonly #index: number;

  constructor(int32: Int32Array, index: number) {
    this.#int32 = int32;
    this.#index = index;
    Atomics.store(int32, index, AWAKE);
  }

  idle(isIdle: () => boolean, timeoutMs: number): number {
    checkTimeout(timeoutMs);
    const int32 = this.#int32;
    const index = this.#index;
    Atomics.store(int32, index, PARKED);
    try {
      if (!isIdle()) return 0;
      const parkedAt = performance.now();
      Atomics.wait(int32, index, PARKED, timeoutMs);
      return performance.now() - parkedAt;
    } finally {
      Atomics.store(int32, index, AWAKE);
    }
  }
}

/**
 * Wakes a thread that is parked in `AtomicsWaitStrategy`; returns whether it was parked. Make the work visible first.
 */
export function wakeParked(int32: Int32Array, index: number): boolean {
  if (Atomics.load(int32, index) !== PARKED) return false;
  // If the waiter is still on its way into the wait, it finds the word changed and does not sleep.
  Atomics.store(int32, index, AWAKE);
  Atomics.notify(int32, index);
  return true;
}

/**
 * As `wakeParked`, but also wakes a waiter whose word a thread has changed that died before it could notify. For rare
 * calls, such as those that tell of such a death.
 */
export function wakeSurely(int32: Int32Array, index: number): void {
  Atomics.store(int32, index, AWAKE);
  Atomics.notify(int32, index);
}

/**
 * The parked word of a thread that lives on an event loop and is woken by a message. The waiter calls `park`, looks
 * once more for work, and calls `unpark` if there is some. Wakers call `ring`.
 *
 * `Atomics.waitAsync` would do without messages, but it does not keep the event loop alive
 * (https://github.com/nodejs/node/issues/61941).
 */
export class Doorbell {
  readonly #int32: Int32Array;
  readonly #index: number;

  constructor(int32: Int32Array, index: number) {
    this.#int32 = int32;
    this.#index = index;
  }

  park(): void {
    Atomics.store(this.#int32, this.#index, PARKED);
  }

  unpark(): void {
    Atomics.store(this.#int32, this.#index, AWAKE);
  }

  /** Posts `null` if the other side is parked, once however many wakers ring. Returns whether this call posted it. */
  ring(port: MessagePort): boolean {
    const was = Atomics.compareExchange(this.#int32, this.#index, PARKED, AWAKE);
    if (was !== PARKED) return false;
    port.postMessage(null);
    return true;
  }
}

/**
 * For a shard on an event loop, whose input and output must go on while it waits. Wakers ring a `Doorbell` on the same
 * word, each with its own port.
 */
export class MessagePortWaitStrategy implements WaitStrategy {
  readonly #doorbell: Doorbell;
  readonly #listeners = new Map<MessagePort, (message: unknown) => void>();
  #wake: (() => void) | undefined;

  constructor(int32: Int32Array, index: number) {
    this.#doorbell = new Doorbell(int32, index);
    this.#doorbell.unpark();
  }

  /** Any message on the port wakes; it is handed to `accept`. */
  listen(port: MessagePort, accept: (message: unknown) => void): void {
    this.unlisten(port);
    const listener = (message: unknown): void => {
      accept(message);
      this.#wake?.();
    };
    this.#listeners.set(port, listener);
    port.on('message', listener);
    port.once('close', () => this.unlisten(port));
  }

  /**
   * Stops listening, and wakes the waiter, because a last message may be in the port that nobody will hear any more.
   */
  unlisten(port: MessagePort): void {
    const listener = this.#listeners.get(port);
    if (listener === undefined) return;
    this.#listeners.delete(port);
    port.off('message', listener);
    this.#wake?.();
  }

  /** Ends a wait, for work that this thread itself has learned of. */
  wake(): void {
    this.#wake?.();
  }

  async idle(isIdle: () => boolean, timeoutMs: number): Promise<number> {
    checkTimeout(timeoutMs);
    if (this.#wake !== undefined) throw new Error('already waiting');
    this.#doorbell.park();
    try {
      if (!isIdle()) return 0;
      const parkedAt = performance.now();
      await this.#nextWake(timeoutMs);
      return performance.now() - parkedAt;
    } finally {
      this.#doorbell.unpark();
    }
  }

  #nextWake(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      // The timer keeps the event loop alive even where no port does.
      const timer = setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0 && timeoutMs <= TIMER_MS_MAX) return;
  throw new RangeError(`a wait takes 0 to ${TIMER_MS_MAX} ms, not ${timeoutMs}`);
}
