import { handlerOwner } from '#async-context';
import { BusError } from '../protocol/errors.js';
import { findAwaiting } from './awaiting-call.js';

/** A subscription whose handler may be at work, as a `drain()` sees it. */
export interface Drained {
  readonly id: string;
  /** Whose handler it is for `captureHandlerContext`. */
  readonly owner: object;
  /** The handler is at work on an event, and has not returned, or its promise has not settled. */
  readonly isHandling: boolean;
  /** Settles when a handler that returned a promise is done. Nobody else waits for it. */
  readonly handling: Promise<unknown> | undefined;
}

/** A handler that may be the caller. */
interface AtWork {
  readonly id: string;
  readonly handling: Promise<unknown>;
}

/** After so many microtasks a caller waits who is going to, also through functions that return the promise. */
const MICROTASKS_TO_AWAIT = 3;
/** A caller may begin to wait later. Each further look comes after twice the time. */
const LOOK_AGAIN_MS = 10;
const LOOK_AGAIN_MS_MAX = 2 ** 30;

/**
 * Drains, unless a handler of any of these waits for that: it would wait for its own end. Whether it waits is seen by who waits
 * for this promise, not by who calls, so a handler may start a drain that it leaves to itself. Before the handler has
 * returned its promise, every call that it makes is refused.
 *
 * @throws BusError `DRAIN_IN_HANDLER`
 */
export async function drainOutside(
  subscriptions: Iterable<Drained>,
  drain: () => Promise<void>,
): Promise<void> {
  const handlers = atWork(subscriptions);
  if (handlers.length === 0) return drain();
  for (let n = 0; n < MICROTASKS_TO_AWAIT; n++) await undefined;
  refuseAwaiting(handlers);
  const drained = drain();
  for (let ms = LOOK_AGAIN_MS; !(await settlesWithin(ms, drained)); ) {
    refuseAwaiting(handlers);
    ms = Math.min(2 * ms, LOOK_AGAIN_MS_MAX);
  }
}

/** @throws BusError `DRAIN_IN_HANDLER` where one of them is running now: this is its call */
function atWork(subscriptions: Iterable<Drained>): AtWork[] {
  const caller = handlerOwner();
  const handlers: AtWork[] = [];
  for (const { id, owner, isHandling, handling } of subscriptions) {
    if (!isHandling) continue;
    if (owner === caller) throw drainInHandler(id);
    if (handling !== undefined) handlers.push({ id, handling });
  }
  return handlers;
}

function refuseAwaiting(handlers: readonly AtWork[]): void {
  const at = findAwaiting(handlers.map(({ handling }) => handling));
  if (at >= 0) throw drainInHandler(handlers[at]!.id);
}

function drainInHandler(subscription: string): BusError {
  return new BusError(
    'DRAIN_IN_HANDLER',
    `drain() in a handler of ${subscription} would wait for that handler: call it outside, or unsubscribe() or close()`,
    { details: { subscription } },
  );
}

/** Whether the promise settles in this time. Rejects as it does. */
async function settlesWithin(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
    // Not in browsers. What is drained keeps its process by itself.
    timer.unref?.();
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
