/** The members of JSON values, as a tree shows them. Pure. */

export function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export function sizeOf(value: object): number {
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** The first members, with their names. It reads no more of a list than that. */
export function membersOf(value: object, limit: number): readonly (readonly [string, unknown])[] {
  if (Array.isArray(value)) {
    return value.slice(0, limit).map((item, index) => [String(index), item] as const);
  }
  const members = value as Readonly<Record<string, unknown>>;
  return Object.keys(members)
    .slice(0, limit)
    .map((key) => [key, members[key]] as const);
}
