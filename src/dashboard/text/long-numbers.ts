/** How many values are looked at. */
const VALUES_MAX = 100_000;

/**
 * Whether a value of JSON holds a number that may be another one than was sent, as JavaScript rounds what has more than
 * about 15 digits. Pure.
 */
export function holdsLongNumbers(value: unknown): boolean {
  const left: unknown[] = [value];
  for (let seen = 0; left.length > 0 && seen < VALUES_MAX; seen++) {
    const one = left.pop();
    if (typeof one === 'number' && isLong(one)) return true;
    if (typeof one === 'object' && one !== null) {
      for (const child of Object.values(one)) left.push(child);
    }
  }
  return false;
}

function isLong(value: number): boolean {
  if (!Number.isFinite(value) || Object.is(value, -0)) return true;
  return String(value).replace(/e.*$/, '').replace(/\D/g, '').replace(/^0+/, '').length > 15;
}
