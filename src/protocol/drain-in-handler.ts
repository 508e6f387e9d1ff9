import { BusError } from './errors.js';

/** What a handler is told that calls a `drain()` which would wait for that handler's own end. */
export function drainInHandler(subscription: string): BusError {
  return new BusError(
    'DRAIN_IN_HANDLER',
    `drain() in a handler of ${subscription} would wait for that handler: call it outside, or unsubscribe() or close()`,
    { details: { subscription } },
  );
}
