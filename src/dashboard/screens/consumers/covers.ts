/**
 * Whether one of the patterns matches all that another pattern matches. Several may do so together; then the page offers
 * less than the server would take. Pure.
 */
export function isCovered(pattern: string, granted: readonly string[]): boolean {
  const isSystem = pattern.startsWith('$');
  return granted.some(
    (one) => one.startsWith('$') === isSystem && covers(one.split('.'), pattern.split('.')),
  );
}

function covers(granted: readonly string[], wanted: readonly string[]): boolean {
  const [first, ...others] = granted;
  if (first === '*' && others.length === 0) return wanted.length > 0;
  const [next, ...further] = wanted;
  if (first === undefined || next === undefined) return first === next;
  if (next === '*' && further.length === 0) return false;
  return (first === '+' || first === next) && covers(others, further);
}
