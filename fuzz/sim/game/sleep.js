/** Waits by the virtual clock, in the thread that calls it. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for so many turns of the event loop. */
export async function turns(count) {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
}
