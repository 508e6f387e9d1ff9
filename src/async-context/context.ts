/** Calls a function as if from where this was made. */
export type RunInContext = <A extends unknown[], R>(call: (...args: A) => R, ...args: A) => R;
