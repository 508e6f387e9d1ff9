/** Medians, and what two series of times tell apart. */

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const median = (values) => quantile(values, 0.5);

/** Times the calls in turns, so that whatever else the machine does is the same for all. */
export async function inTurns(rounds, calls) {
  /** @type {Record<string, number[]>} */
  const times = Object.fromEntries(Object.keys(calls).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, call] of Object.entries(calls)) {
      const began = performance.now();
      await call(round);
      times[name]?.push(performance.now() - began);
    }
  }
  return times;
}

/**
 * How well one time tells which of two series it is of: 0.5 is a guess, 1 is certainty (the area under the curve of
 * Mann and Whitney).
 */
export function toldApart(some, others) {
  let above = 0;
  for (const one of some) {
    for (const other of others) above += one > other ? 1 : one === other ? 0.5 : 0;
  }
  const share = above / (some.length * others.length);
  return Math.max(share, 1 - share);
}
