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

/** @throws BusError `DRAIN_IN_HANDLER` to a handler of any of these: a `drain()` that it awaits would wait for its end */
export function assertMayDrain(subscriptions: Iterable<Drained>): void {
  const owner = handlerOwner();
  const handling: Promise<unknown>[] = [];
  const ids: string[] = [];
  for (const one of subscriptions) {
    if (!one.isHandling) continue;
    if (one.owner === owner) throw drainInHandler(one.id);
    if (one.handling === undefined) continue;
    handling.push(one.handling);
    ids.push(one.id);
  }
  const at = findAwaiting(handling);
  if (at >= 0) throw drainInHandler(ids[at]!);
}

function drainInHandler(subscription: string): BusError {
  return new BusError(
    'DRAIN_IN_HANDLER',
    `drain() in a handler of ${subscription} would wait for that handler: call it outside, or unsubscribe() or close()`,
    { details: { subscription } },
  );
}
