/**
 * Finds the promise that waits for the call under way, directly or through other promises. V8 follows that chain when
 * it captures an error's stack (https://v8.dev/docs/stack-trace-api#async-stack-traces), so it costs nothing until it
 * is asked for. Nothing is found without V8, or if the chain branches or has a link that is no promise, such as a
 * timer's callback.
 */
const FRAMES_MAX = 200;

/**
 * For each promise, the name of the function that awaits it here, to be found in a stack. One function per promise, as
 * V8 does not follow a chain that branches.
 */
const waiterNames = new WeakMap<Promise<unknown>, string>();
let waiters = 0;

/** The index of the first promise that waits for this call, or -1. No other code may await these promises. */
export function findAwaiting(promises: readonly Promise<unknown>[]): number {
  if (promises.length === 0) return -1;
  const names = promises.map((promise) => waiterNames.get(promise) ?? waitFor(promise));
  const frames = new Set(asyncFrames());
  return names.findIndex((name) => frames.has(name));
}

function waitFor(promise: Promise<unknown>): string {
  const name = `millrace:${++waiters}`;
  const wait = async (): Promise<void> => {
    await promise;
  };
  Object.defineProperty(wait, 'name', { value: name });
  waiterNames.set(promise, name);
  wait().catch(() => {});
  return name;
}

/** The names of the async functions that wait for this call. */
function asyncFrames(): (string | null)[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = FRAMES_MAX;
    Error.prepareStackTrace = (_error, sites) =>
      sites.filter((site) => site.isAsync()).map((site) => site.getFunctionName());
    const frames: unknown = new Error('where is this').stack;
    return Array.isArray(frames) ? frames : [];
  } catch {
    // The application has frozen `Error`.
    return [];
  } finally {
    restore(prepareStackTrace, stackTraceLimit);
  }
}

function restore(prepare: typeof Error.prepareStackTrace, limit: number): void {
  try {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = prepare;
  } catch {
    // `Error` is frozen, so nothing was changed.
  }
}
