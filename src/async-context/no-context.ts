import type { RunInContext } from './context.js';

/**
 * For platforms without an async context, such as browsers: functions are called directly. The owner of a running
 * handler is known until the handler first awaits something.
 */
let current: object | undefined;

export const captureContext = (): RunInContext => captureHandlerContext(undefined);

/** As `captureContext`, for the handler of `owner`: code that it calls finds the owner by `handlerOwner`. */
export const captureHandlerContext = (owner: object | undefined): RunInContext =>
  within(owner, run);

/** The owner of the handler that this call comes from, as far as it is known. */
export const handlerOwner = (): object | undefined => current;

/** Calls functions through `inner`, as the handler of `owner`. */
export function within(owner: object | undefined, inner: RunInContext): RunInContext {
  return (call, ...args) => {
    const outer = current;
    current = owner;
    try {
      return inner(call, ...args);
    } finally {
      current = outer;
    }
  };
}

const run: RunInContext = (call, ...args) => call(...args);
