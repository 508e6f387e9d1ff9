/** Recorded time went from `before`, ms since 1970, forward by `ms` at once: the system clock was set, or the machine slept. */
export interface RecordedStep {
  readonly before: number;
  readonly ms: number;
}

/** How much time passed between two recorded times, ms, without the steps between them. */
export function passedBetween(from: number, to: number, steps: readonly RecordedStep[]): number {
  let passedMs = to - from;
  for (const { before, ms } of steps) if (before >= from && before < to) passedMs -= ms;
  return passedMs;
}
