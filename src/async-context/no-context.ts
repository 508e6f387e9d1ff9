import type { RunInContext } from './context.js';

/** Where there is no async context, as in browsers: a call is a call. */
export const captureContext = (): RunInContext => run;

const run: RunInContext = (call, ...args) => call(...args);
