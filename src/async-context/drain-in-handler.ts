import { handlerOwner } from '#async-context';
import { BusError } from '../protocol/errors.js';
import { findAwaiting } from './awaiting-call.js';

/** A subscription whose handler may be at work, as a `drain()` sees it. */
export interface Drained {
  readonly id: string;
  /** The object under which `captureHandlerContext` runs the handler. */
  readonly owner: object;
  /** The handler has an event in hand: it has not returned, or its promise has not settled. */
  readonly isHandling: boolean;
  /** Settles when a handler that returned a promise is done. No other code awaits it. */
  readonly handling: Promise<unknown> | undefined;
}

/** A handler at work, which may be the caller. */
interface AtWork {
  readonly id: string;
  readonly handling: Promise<unknown>;
}

/**
 * After this many microtasks a caller that awaits the promise at once does await it, even through functions that return
 * it.
 */
const MICROTASKS_TO_AWAIT = 3;
/** A caller may also begin to await the promise later, so it is looked for again, each time after twice as long. */
const LOOK_AGAIN_MS = 10;
const LOOK_AGAIN_MS_MAX = 2 ** 30;

/**
 * Drains, unless a handler of one of the subscriptions awaits the drain, as it would then wait for its own end. A
 * handler may start a drain that it does not await, as long as it has returned its promise before; until then every
 * drain that it starts is refused.
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

/** @throws BusError `DRAIN_IN_HANDLER` if the call comes from one of the handlers, synchronously */
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

/** Whether the promise resolves within this time. Rejects if it does. */
async function settlesWithin(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
    // Browsers have no `unref`. The drain itself keeps the process alive.
    timer.unref?.();
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
