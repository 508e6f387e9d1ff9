/**
 * `fuzz/mutants.md` says of each mutant that survives for good why it does, in a line of its own:
 *
 *   - `src/ring/ring.ts:88` StringLiteral: the message alone.
 *
 * A line speaks of all surviving mutants of this kind in this line of the file.
 *
 * @param {string} text of `fuzz/mutants.md`
 * @returns {Map<string, string>} the reason by `src/ring/ring.ts:88 StringLiteral`
 */
export function parseReasons(text) {
  const lines = text.matchAll(/^- `([^`]+:\d+)` (\w+): (.+)$/gm);
  return new Map([...lines].map(([, place, what, reason]) => [`${place} ${what}`, reason ?? '']));
}

/** @param {string} file @param {import('./outcomes.js').Survivor} survivor */
export function keyOf(file, { at, what }) {
  return `${file}:${at.split(':')[0]} ${what}`;
}
