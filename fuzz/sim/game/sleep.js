/** Waits by the virtual clock, in the thread that calls it. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
