import { patternFault, topicFault } from '../protocol/topic.js';
import type { Fault, Grants } from './grants.js';

/**
 * Patterns with places to fill, such as `user.{sub}.*`: who holds the token decides what stands there, and must not be
 * able to reach further by it. So a place is a whole segment, and takes one plain segment; anything else is a fault, and
 * a fault refuses the token. Leaving only that pattern out would be less: its masks would be gone with it. Any thread.
 */

/** What places are filled with, by name. Only its own members are looked at, and only text among them. */
export type Claims = Readonly<Record<string, unknown>>;

const PLACE = /^\{([A-Za-z_][\w:-]{0,63})\}$/;

/** Why a pattern of a grant is none, or `undefined` if it is one. */
export function grantPatternFault(pattern: unknown): string | undefined {
  const fault = patternFault(pattern);
  if (fault !== undefined) return fault;
  const segments = (pattern as string).split('.');
  const isFaulty = segments.some((segment) => /[{}]/.test(segment) && !PLACE.test(segment));
  if (!isFaulty) return undefined;
  return 'braces stand for a claim, and are a whole segment then: user.{sub}.*';
}

/** The grants with every place filled, or `undefined` and every fault at the end of the list. */
export function fillGrants(grants: Grants, claims: Claims, faults: Fault[]): Grants | undefined {
  const before = faults.length;
  const fill = (field: string) => (pattern: string, index: number) =>
    filled(pattern, claims, (message) => faults.push({ path: `${field}[${index}]`, message }));
  const { publish, subscribe, admin, ...others } = grants;
  const fillReadable = fill('subscribe');
  const result: Grants = {
    ...others,
    ...(publish !== undefined && { publish: publish.map(fill('publish')) }),
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

/** Every fault that filling would have. */
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
    // Its name is the operator's; its value is whoever's, and not told.
    const found = value === undefined ? 'is not there' : 'is no plain segment of a topic';
    onFault(`{${claim}} cannot be filled: that claim ${found}`);
    return segment;
  });
  const result = segments.join('.');
  // Each segment is fine by now; together they may be too long.
  if (patternFault(result) !== undefined) onFault(`${pattern} is too long when it is filled`);
  return result;
}

/** One segment that matches nothing but itself, wherever it stands: no wildcard, and no `$`, which the bus has. */
function isPlainSegment(value: unknown): value is string {
  if (typeof value !== 'string' || value.includes('.') || value.startsWith('$')) return false;
  return topicFault(value) === undefined && patternFault(value) === undefined;
}
