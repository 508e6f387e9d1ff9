/**
 * The pattern that matches just the topics which both patterns match, wildcards and the `$` rule included; `undefined` if
 * there are none. Both are well-formed. Pure; any thread.
 */
export function patternsMeet(one: string, other: string): string | undefined {
  const [a, b] = [one.split('.'), other.split('.')];
  const met: string[] = [];
  for (let index = 0; index < a.length && index < b.length; index++) {
    const [isOpenA, isOpenB] = [isOpenAt(a, index), isOpenAt(b, index)];
    if (isOpenA && isOpenB) return [...met, '*'].join('.');
    const segment = segmentsMeet(a[index]!, b[index]!, index === 0);
    if (segment === undefined) return undefined;
    // One or more segments match a trailing `*`, so it takes whatever the other pattern has left.
    if (isOpenA || isOpenB) return [...met, ...(isOpenA ? b : a).slice(index)].join('.');
    met.push(segment);
  }
  return a.length === b.length ? met.join('.') : undefined;
}

/** A wildcard matches every segment but a first one that begins with `$`. */
function segmentsMeet(a: string, b: string, isFirst: boolean): string | undefined {
  const [some, other] = isWild(a) ? [b, a] : [a, b];
  if (isWild(some)) return '+';
  if (some === other) return some;
  return isWild(other) && !(isFirst && some.startsWith('$')) ? some : undefined;
}

function isWild(segment: string): boolean {
  return segment === '*' || segment === '+';
}

function isOpenAt(segments: readonly string[], index: number): boolean {
  return segments[index] === '*' && index === segments.length - 1;
}
