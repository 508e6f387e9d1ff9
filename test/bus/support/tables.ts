import type { ErrorCode } from '../../../src/protocol/errors.js';

/** A bad value, a part of the message that must show it, and its code where that differs from the table's. */
export type BadValue = readonly [value: unknown, names?: string, code?: ErrorCode];

export interface BadRow {
  /** For the name of the test. */
  readonly shown: string;
  readonly value: unknown;
  readonly names: string | undefined;
  readonly code: ErrorCode | undefined;
}

export function badRows(rows: readonly BadValue[]): BadRow[] {
  return rows.map(([value, names, code]) => ({ shown: show(value), value, names, code }));
}

/** Short and on one line, for every kind of value. */
export function show(value: unknown): string {
  const replacer = (_: string, inner: unknown): unknown => {
    if (typeof inner === 'function' || typeof inner === 'symbol') return String(inner);
    return typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner;
  };
  const text = JSON.stringify(value, replacer) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
