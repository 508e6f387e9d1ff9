/** Completion of patterns from the names of topics. Pure. */

/**
 * Patterns and topics that begin as the text does: for each next segment the pattern of all below it, and the topics
 * that end there. A topic that only holds the text comes last.
 *
 * @param names sorted by their UTF-16 units, as the client sorts them
 */
export function completions(
  names: readonly string[],
  text: string,
  limit: number,
): readonly string[] {
  const found = new Set<string>();
  for (let at = firstNotBefore(names, text); at < names.length; at++) {
    const name = names[at]!;
    if (!name.startsWith(text) || found.size >= limit) break;
    const end = name.indexOf('.', text.length);
    found.add(end < 0 ? name : `${name.slice(0, end)}.*`);
  }
  if (text === '') return [...found];
  for (const name of names) {
    if (found.size >= limit) break;
    if (name.includes(text, 1)) found.add(name);
  }
  return [...found].filter((one) => one !== text);
}

/** The index of the first name that does not sort before the text. */
function firstNotBefore(names: readonly string[], text: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
