/** How often a screen asks for the list of consumers. Pure. */

const SHORTEST_MS = 2000;
const LONGEST_MS = 30_000;
/** `bench/dashboard-consumers.js` shows what a list of 1,000 costs. */
const MS_A_CONSUMER = 10;

/** The longer the list, the longer the wait for the next one: 2 s up to 200 consumers, 10 s for 1,000, 30 s at most. */
export function consumersPollMs(last: readonly unknown[] | undefined): number {
  const wanted = (last?.length ?? 0) * MS_A_CONSUMER;
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, wanted));
}
