/**
 * Which promise waits for the call that is under way, through whatever is awaited in between. V8 follows that chain when it takes
 * an error's stack (https://v8.dev/docs/stack-trace-api#async-stack-traces), so the answer costs nothing until it is asked for.
 * Where there is no V8, or the chain has a link that is no promise, such as a timer's callback, or branches, none is found.
 */
const FRAMES_MAX = 200;

/** The names of the functions that wait for promises, to be found in a stack. V8 follows no chain that branches: one for each. */
const waiterNames = new WeakMap<Promise<unknown>, string>();
let waiters = 0;

/** The index of the first of the promises that waits for this call, or -1. Nobody else may wait for them. */
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

/** The names of the functions that wait for this call. */
function asyncFrames(): (string | null)[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = FRAMES_MAX;
    Error.prepareStackTrace = (_error, sites) =>
      sites.filter((site) => site.isAsync()).map((site) => site.getFunctionName());
    const frames: unknown = new Error('where is this').stack;
    return Array.isArray(frames) ? frames : [];
  } catch {
    // Somebody has frozen `Error`.
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
    // As above: nothing was changed.
  }
}
