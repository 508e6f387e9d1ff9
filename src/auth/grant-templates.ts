import { patternFault, topicFault } from '../protocol/topic.js';
import type { Fault, Grants } from './grants.js';

/**
 * Patterns with places to fill, such as `user.{sub}.*`. The claims of a token fill them, and must not widen the
 * pattern: a place is a whole segment and takes one plain segment. Anything else is a fault, and the token is refused.
 * Leaving out the faulty pattern alone would be unsafe, as its masks would be left out with it. Any thread.
 */

/** The values that fill places, by name. Only own properties count, and only text values. */
export type Claims = Readonly<Record<string, unknown>>;

const PLACE = /^\{([A-Za-z_][\w:-]{0,63})\}$/;

/** Says why a grant's pattern is invalid, or `undefined` if it is valid. */
export function grantPatternFault(pattern: unknown): string | undefined {
  const fault = patternFault(pattern);
  if (fault !== undefined) return fault;
  const segments = (pattern as string).split('.');
  const isFaulty = segments.some((segment) => /[{}]/.test(segment) && !PLACE.test(segment));
  if (!isFaulty) return undefined;
  return 'braces stand for a claim, which has to be a whole segment: user.{sub}.*';
}

/** The grants with every place filled. On faults returns `undefined` and appends every fault to `faults`. */
export function fillGrants(grants: Grants, claims: Claims, faults: Fault[]): Grants | undefined {
  const before = faults.length;
  const fill = (field: string) => (pattern: string, index: number) =>
    filled(pattern, claims, (message) => faults.push({ path: `${field}[${index}]`, message }));
  const { publish, subscribe, consume, admin, ...others } = grants;
  const fillReadable = fill('subscribe');
  const result: Grants = {
    ...others,
    ...(publish !== undefined && { publish: publish.map(fill('publish')) }),
    ...(consume !== undefined && { consume: consume.map(fill('consume')) }),
    ...(admin !== undefined && { admin: admin.map(fill('admin')) }),
    ...(subscribe !== undefined && {
      subscribe: subscribe.map((grant, index) =>
        typeof grant === 'string'
          ? fillReadable(grant, index)
          : { ...grant, pattern: fillReadable(grant.pattern, index) },
      ),
    }),
  };
  return faults.length === before ? result : undefined;
}

/** The faults that filling the grants would have. */
export function fillFaults(grants: Grants, claims: Claims): readonly Fault[] {
  const faults: Fault[] = [];
  fillGrants(grants, claims, faults);
  return faults;
}

function filled(pattern: string, claims: Claims, onFault: (message: string) => void): string {
  if (!pattern.includes('{')) return pattern;
  const segments = pattern.split('.').map((segment) => {
    const claim = PLACE.exec(segment)?.[1];
    if (claim === undefined) return segment;
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    if (isPlainSegment(value)) return value;
    // The claim's name comes from the operator and may be shown; its value comes from the client, and is not.
    const found = value === undefined ? 'is not there' : 'is no plain segment of a topic';
    onFault(`{${claim}} cannot be filled: that claim ${found}`);
    return segment;
  });
  const result = segments.join('.');
  // Each segment is valid by now, but together they may be too long.
  if (patternFault(result) !== undefined) onFault(`${pattern} is too long when it is filled`);
  return result;
}

/**
 * Whether the value is one segment that matches only itself: no wildcard, and not starting with `$`, which is for the
 * bus's own topics.
 */
function isPlainSegment(value: unknown): value is string {
  if (typeof value !== 'string' || value.includes('.') || value.startsWith('$')) return false;
  return topicFault(value) === undefined && patternFault(value) === undefined;
}
