/** What calls to an endpoint are told that has closed, or whose shard is gone. */
import { BusError } from '../protocol/errors.js';

export function closedError(): BusError {
  return new BusError('BUS_CLOSED', 'the bus is closed');
}

/** It was in the ring of a shard whose log says no more whether it took it. */
export function unknownAfterFailure(error: BusError): BusError {
  const { message, details = {} } = error;
  return new BusError('PUBLISH_UNKNOWN', `it may have been stored: ${message}`, {
    details,
    cause: error,
  });
}

export function unknownAtClose(): BusError {
  return new BusError(
    'PUBLISH_UNKNOWN',
    'the bus was closed before its shard acknowledged: it may have been stored',
  );
}
