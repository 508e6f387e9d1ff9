/**
 * Calls to make when a signal aborts. One listener on the signal serves all publishes and subscriptions that have it,
 * as Node warns of a leak at more than ten listeners.
 */
const watched = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `onAbort` when the signal aborts; the returned function stops watching. */
export function watchSignal(signal: AbortSignal, onAbort: () => void): () => void {
  const calls = watched.get(signal) ?? listen(signal);
  calls.add(onAbort);
  return () => {
    calls.delete(onAbort);
    if (calls.size === 0 && watched.get(signal) === calls) unlisten(signal);
  };
}

function listen(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>();
  watched.set(signal, calls);
  signal.addEventListener('abort', callAll, { once: true });
  return calls;
}

function unlisten(signal: AbortSignal): void {
  watched.delete(signal);
  signal.removeEventListener('abort', callAll);
}

function callAll(this: AbortSignal): void {
  const calls = watched.get(this) ?? [];
  watched.delete(this);
  for (const call of calls) call();
}
