import { BusError, type ErrorData } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Any error in the form in which it crosses a socket. What is no `BusError` is a fault of ours and
 * says so.
 */
export function errorData(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  const message = messageOf(error);
  return { code: 'INTERNAL', message: `unexpected failure: ${message}` };
}
