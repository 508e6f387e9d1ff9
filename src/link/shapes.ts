/** Checks that a value from another thread has the shape that its type promises. */
export type Shape<T> = (value: unknown) => value is T;

/** An object whose named fields have these shapes; other fields are ignored. */
export function fields<T extends object>(
  shapes: {
    readonly [K in keyof T]?: (value: unknown) => boolean;
  },
): Shape<T> {
  const checks = Object.entries(shapes) as [string, (value: unknown) => boolean][];
  return (value): value is T => {
    if (typeof value !== 'object' || value === null) return false;
    const found = value as Record<string, unknown>;
    return checks.every(([name, check]) => check(found[name]));
  };
}

export const isNull: Shape<null> = (value) => value === null;
export const isText: Shape<string> = (value) => typeof value === 'string';
export const isNumber: Shape<number> = (value) => typeof value === 'number';
export const isTrueOrFalse: Shape<boolean> = (value) => typeof value === 'boolean';
export const isBuffer: Shape<ArrayBuffer> = (value) => value instanceof ArrayBuffer;
export const isList: Shape<readonly unknown[]> = (value) => Array.isArray(value);

/** A position in a log; 0: before its first event. */
export const isPosition: Shape<number> = (value): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
