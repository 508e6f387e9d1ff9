/** The topics that hold a text, those that begin with it first. Pure. */
export function topicsLike(
  names: readonly string[],
  text: string,
  most: number,
): readonly string[] {
  const beginning: string[] = [];
  const holding: string[] = [];
  for (const name of names) {
    if (beginning.length >= most) break;
    if (name.startsWith(text)) beginning.push(name);
    else if (holding.length < most && name.includes(text)) holding.push(name);
  }
  return [...beginning, ...holding].slice(0, most);
}
