import { test } from 'vitest';

/** A check of what a store may do. Where it does not, there is no check: it is not one that was skipped. */
export function testIf(
  applies: boolean,
): (name: string, run: () => Promise<void>, ms?: number) => void {
  return applies ? (name, run, ms) => test(name, run, ms) : () => {};
}
