import { BusError, type ErrorData } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Converts any error to the form in which it crosses a socket. An error that is not a `BusError` is a bug of the server
 * and becomes `INTERNAL`.
 */
export function errorData(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  const message = messageOf(error);
  return { code: 'INTERNAL', message: `unexpected failure: ${message}` };
}
