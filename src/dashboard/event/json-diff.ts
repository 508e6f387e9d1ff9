import { isRecord } from '../text/is-record.js';

/**
 * The difference between two JSON values, as a tree from which both can be made again. Of lists, what is equal at the
 * beginning and at the end is taken as the same elements, and what lies between is compared in order. Pure.
 */
export type Difference =
  | { readonly kind: 'same'; readonly value: unknown }
  | { readonly kind: 'added'; readonly value: unknown }
  | { readonly kind: 'removed'; readonly value: unknown }
  | { readonly kind: 'changed'; readonly before: unknown; readonly after: unknown }
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, Difference> }
  | { readonly kind: 'list'; readonly items: readonly Difference[] };

export function differenceOf(before: unknown, after: unknown): Difference {
  if (isEqual(before, after)) return { kind: 'same', value: after };
  if (Array.isArray(before) && Array.isArray(after)) return listDifference(before, after);
  if (isRecord(before) && isRecord(after)) return objectDifference(before, after);
  return { kind: 'changed', before, after };
}

/** One line of a difference, at a path such as `items[2].price`. */
export interface Change {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly before?: unknown;
  readonly after?: unknown;
}

/** The lines of a difference. The index of a removed element is the one that it had before. */
export function* changesOf(difference: Difference, path = ''): Generator<Change> {
  switch (difference.kind) {
    case 'same':
      return;
    case 'added':
      yield { path, kind: 'added', after: difference.value };
      return;
    case 'removed':
      yield { path, kind: 'removed', before: difference.value };
      return;
    case 'changed':
      yield { path, kind: 'changed', before: difference.before, after: difference.after };
      return;
    case 'object':
      for (const [key, member] of difference.members) yield* changesOf(member, joined(path, key));
      return;
    case 'list': {
      let before = 0;
      let after = 0;
      for (const item of difference.items) {
        yield* changesOf(item, `${path}[${item.kind === 'removed' ? before : after}]`);
        if (item.kind !== 'added') before++;
        if (item.kind !== 'removed') after++;
      }
    }
  }
}

export function isEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isEqual(item, other[index]));
  }
  if (!isRecord(one) || !isRecord(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isEqual(one[key], other[key]))
  );
}

type Fields = Readonly<Record<string, unknown>>;

function objectDifference(before: Fields, after: Fields): Difference {
  const members = new Map<string, Difference>();
  for (const [key, value] of Object.entries(before)) {
    members.set(
      key,
      Object.hasOwn(after, key) ? differenceOf(value, after[key]) : { kind: 'removed', value },
    );
  }
  for (const [key, value] of Object.entries(after)) {
    if (!members.has(key)) members.set(key, { kind: 'added', value });
  }
  return { kind: 'object', members };
}

function listDifference(before: readonly unknown[], after: readonly unknown[]): Difference {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isEqual(before[start], after[start])) start++;
  let end = 0;
  while (end < shorter - start && isEqual(before.at(-1 - end), after.at(-1 - end))) end++;
  const items: Difference[] = [];
  const same = (value: unknown): number => items.push({ kind: 'same', value });
  for (let index = 0; index < start; index++) same(after[index]);
  const pairs = shorter - end;
  for (let index = start; index < pairs; index++) {
    items.push(differenceOf(before[index], after[index]));
  }
  for (const value of before.slice(pairs, before.length - end))
    items.push({ kind: 'removed', value });
  for (const value of after.slice(pairs, after.length - end)) items.push({ kind: 'added', value });
  for (let index = after.length - end; index < after.length; index++) same(after[index]);
  return { kind: 'list', items };
}

function joined(path: string, key: string): string {
  const name = /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key) ? key : JSON.stringify(key);
  return path === '' ? name : `${path}.${name}`;
}
