import { BusError } from '../../dist/index.js';

/** What the two ways of looking at a directory have in common. */
export const PAGE = 100;
/** More events than any directory of the campaign has. */
export const ENDLESS = 200_000;

/** An error as it can cross to another process. What is no `BusError` begins with UNTYPED. */
export function described(error) {
  if (error instanceof BusError) return `${error.code}: ${error.message}`;
  return `UNTYPED ${error?.stack ?? String(error)}`;
}
