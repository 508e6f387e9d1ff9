/**
 * Whether a topic exists that both patterns match, wildcards and the `$` rule included. Both are well-formed. Pure; any
 * thread.
 */
export function patternsOverlap(one: string, other: string): boolean {
  const [a, b] = [one.split('.'), other.split('.')];
  for (let index = 0; ; index++) {
    const [inA, inB] = [a[index], b[index]];
    if (inA === undefined || inB === undefined) return inA === inB;
    const isOpen = isLastStar(a, index) || isLastStar(b, index);
    if (!segmentsMeet(inA, inB, index === 0)) return false;
    // One or more segments match a trailing `*`, so it takes whatever the other pattern has left.
    if (isOpen) return true;
  }
}

/** A wildcard matches every segment but a first one that begins with `$`. */
function segmentsMeet(a: string, b: string, isFirst: boolean): boolean {
  if (!isWildcard(a)) return a === b || (isWildcard(b) && !(isFirst && a.startsWith('$')));
  return isWildcard(b) || !(isFirst && b.startsWith('$'));
}

function isWildcard(segment: string): boolean {
  return segment === '*' || segment === '+';
}

function isLastStar(segments: readonly string[], index: number): boolean {
  return segments[index] === '*' && index === segments.length - 1;
}
