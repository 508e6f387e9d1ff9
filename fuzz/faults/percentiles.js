/** @param {number[]} values @returns {{ p50: number, p99: number } | null} */
export function percentilesOf(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const round = (value) => Math.round(value * 10) / 10;
  return { p50: round(at(0.5)), p99: round(at(0.99)) };
}
