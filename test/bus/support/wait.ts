/**
 * Waits for things that must happen. A deadline here only ends a test that has failed already; it does not measure how
 * fast something is.
 */
export const DEADLINE_MS = 20_000;

const POLL_MS = 2;
const POLL_MS_MAX = 10;

/** Polls until the condition holds; a long wait polls less often, as its polls take time from what it waits for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const begun = Date.now();
  while (!(await condition())) {
    const waited = Date.now() - begun;
    if (waited > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    const pollMs = Math.min(POLL_MS_MAX, Math.max(POLL_MS, waited / 20));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** The promise's own outcome, or an error that names what did not come in time. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A gate that handlers wait at until it is opened. */
export class Gate {
  #open!: () => void;
  readonly opened: Promise<void>;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

/** Whether a promise has settled by now. */
export function watch(promise: Promise<unknown>): { settled: boolean } {
  const watched = { settled: false };
  const settle = (): void => {
    watched.settled = true;
  };
  promise.then(settle, settle);
  return watched;
}
