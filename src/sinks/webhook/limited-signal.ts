/**
 * Runs a call with a signal that aborts after a time, or when one of the others does. Unlike `AbortSignal.any`, it leaves
 * nothing behind on signals that live long.
 */
export async function withSignal<T>(
  others: readonly AbortSignal[],
  timeoutMs: number,
  timeoutError: () => Error,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(others.find(({ aborted }) => aborted)!.reason);
  const timer = setTimeout(() => controller.abort(timeoutError()), timeoutMs);
  for (const signal of others) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
  }
  try {
    return await call(controller.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of others) signal.removeEventListener('abort', onAbort);
  }
}

/** Rejects with the signal's reason once it aborts. For signals that end with their call. */
export function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
