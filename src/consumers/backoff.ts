/** The wait after so many failed attempts, ms: the list's last one holds for all further attempts. */
export function backoffAfter(attempts: number, backoffMs: readonly number[]): number {
  return backoffMs[Math.min(Math.max(attempts, 1), backoffMs.length) - 1]!;
}
