import { BusError } from '../../dist/index.js';

/** How many events the observations read at a time. */
export const PAGE = 100;
/** More events than any directory of the campaign has, to end a reading that does not end by itself. */
export const ENDLESS = 200_000;

/** An error as text, to be sent to another process. It begins with UNTYPED unless the error is a `BusError`. */
export function described(error) {
  if (error instanceof BusError) return `${error.code}: ${error.message}`;
  return `UNTYPED ${error?.stack ?? String(error)}`;
}
