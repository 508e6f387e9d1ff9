/** Errors of calls to an endpoint that has closed or whose shard is gone. */
import { BusError } from '../protocol/errors.js';

export function closedError(): BusError {
  return new BusError('BUS_CLOSED', 'the bus is closed');
}

/** For a publish in the ring of a shard that was given up, so that nobody can tell whether it was stored. */
export function unknownAfterFailure(error: BusError): BusError {
  const { message, details = {} } = error;
  return new BusError('PUBLISH_UNKNOWN', `the event may have been stored: ${message}`, {
    details,
    cause: error,
  });
}

export function unknownAtClose(): BusError {
  return new BusError(
    'PUBLISH_UNKNOWN',
    'the bus was closed before the shard acknowledged the event: it may have been stored',
  );
}
