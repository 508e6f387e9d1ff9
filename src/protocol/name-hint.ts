/**
 * A hint for a misspelt name, to end an error message: ` (did you mean shards?)`; if no name is near, the known names
 * if they are few, or nothing. Any thread.
 */

/** How many known names are listed if none is near. */
const NAMES_SHOWN_MAX = 10;
/** Longer names are not compared. */
const NAME_LENGTH_MAX = 64;

export function nameHint(name: string, known: Iterable<string>): string {
  const names = [...known];
  const nearest = nearestName(name, names);
  if (nearest !== undefined) return ` (did you mean ${nearest}?)`;
  return names.length > NAMES_SHOWN_MAX ? '' : ` (there are ${names.join(', ')})`;
}

/** The known name that a misspelt one is nearest to, if one is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name === '' || name.length > NAME_LENGTH_MAX) return undefined;
  const lower = name.toLowerCase();
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest ?? known.find((candidate) => isPartOf(lower, candidate.toLowerCase()));
}

/** Whether the name is a part of the candidate, as `token` is of `getToken`. */
function isPartOf(name: string, candidate: string): boolean {
  return name.length > 2 && candidate.includes(name);
}

/**
 * How many letters have to be inserted, removed, changed or swapped with their neighbour (optimal string alignment).
 */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1];
      const isSwapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const changed = last[j - 1]! + (isSame ? 0 : 1);
      const swapped = isSwapped ? beforeLast[j - 2]! + 1 : changed;
      row[j] = Math.min(row[j - 1]! + 1, last[j]! + 1, changed, swapped);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length]!;
}
