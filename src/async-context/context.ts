/** Calls a function in the async context in which this `RunInContext` was made. */
export type RunInContext = <A extends unknown[], R>(call: (...args: A) => R, ...args: A) => R;
