import fc from 'fast-check';

/**
 * How a property is run. `MILLRACE_FUZZ_RUNS` raises the number of runs; `MILLRACE_FUZZ_SEED`, with
 * `MILLRACE_FUZZ_PATH`, repeats a failed one (both are in the failure); `MILLRACE_FUZZ_SHRINK=1` looks for a smaller
 * counterexample: off by default, because each attempt opens a bus with its threads.
 */
const RUNS = Number(process.env.MILLRACE_FUZZ_RUNS ?? 0);
const SEED = process.env.MILLRACE_FUZZ_SEED;
const PATH = process.env.MILLRACE_FUZZ_PATH;
const SHRINK = process.env.MILLRACE_FUZZ_SHRINK === '1';
const RUN_DEADLINE_MS = 45_000;

/** For `test`: as long as all its runs may take together. */
export function propertyTimeoutMs(runs: number): number {
  return 120_000 + 10_000 * Math.max(runs, RUNS);
}

export async function holds<T>(property: fc.IAsyncProperty<T>, runs: number): Promise<void> {
  await fc.assert(property, {
    numRuns: Math.max(runs, RUNS),
    seed: SEED === undefined ? Math.floor(Math.random() * 0x7fffffff) : Number(SEED),
    ...(PATH !== undefined && { path: PATH }),
    endOnFailure: !SHRINK,
    timeout: RUN_DEADLINE_MS,
    includeErrorInReport: true,
  });
}
