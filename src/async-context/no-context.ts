import type { RunInContext } from './context.js';

/**
 * Where there is no async context, as in browsers: a call is a call. Whose handler it comes from is known until that
 * handler awaits something for the first time.
 */
let current: object | undefined;

export const captureContext = (): RunInContext => captureHandlerContext(undefined);

/** The same for the handler of `owner`: calls within it find the owner by `handlerOwner`. */
export const captureHandlerContext = (owner: object | undefined): RunInContext =>
  within(owner, run);

/** Whose handler this call comes from, as far as can be told. */
export const handlerOwner = (): object | undefined => current;

/** Runs calls by `inner`, as calls of the handler of `owner`. */
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
