import { BusError } from '../../protocol/errors.js';

/** The error of one event as that of the batch in which it stands; `index` counts from 0. */
export function ofBatch(error: BusError, index: number): BusError {
  return new BusError(error.code, `events[${index}]: ${error.message}`, {
    details: { ...error.details, index },
    cause: error,
  });
}
