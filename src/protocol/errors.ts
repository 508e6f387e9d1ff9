/** The only error class of the bus. Callers match on `code`; `docs/ERRORS.md` has the cause and cure of every code. */

export const ERROR_CODES = [
  'TOPIC_INVALID',
  'PATTERN_INVALID',
  'EVENT_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
  'FILTER_INVALID',
  'OPTION_INVALID',
  'QUERY_INVALID',
  'BACKPRESSURE',
  'BUS_CLOSED',
  'CONNECTION_FAILED',
  'STORE_LOCKED',
  'STORE_CORRUPT',
  'STORE_FULL',
  'STORE_FAILED',
  'ARCHIVE_FAILED',
  'SQLITE_MISSING',
  'SHARD_COUNT_MISMATCH',
  'SHARD_BY_MISMATCH',
  'SHARD_RESTARTED',
  'GATEWAY_FAILED',
  'CLOCK_STEPPED',
  'PUBLISH_UNKNOWN',
  'CURSOR_INVALID',
  'CURSOR_EXPIRED',
  'SLOW_CONSUMER',
  'HANDLER_FAILED',
  'NO_RESPONDERS',
  'REQUEST_TIMEOUT',
  'RESPONDER_FAILED',
  'RESPONDER_LOST',
  'SINK_FAILED',
  'ENDPOINT_GONE',
  'ADDRESS_REFUSED',
  'AUDIT_BROKEN',
  'DRAIN_IN_HANDLER',
  'SUBSCRIPTION_EXISTS',
  'SUBSCRIPTION_UNKNOWN',
  'CONSUMER_EXISTS',
  'CONSUMER_UNKNOWN',
  'SCHEDULE_UNKNOWN',
  'CONSUMER_BUSY',
  'LEASE_LOST',
  'ATOMIC_ACROSS_SHARDS',
  'CONFLICT',
  'ALERT_INVALID',
  'ALERT_FIXED',
  'MESSAGE_INVALID',
  'NOT_FOUND',
  'UNAUTHENTICATED',
  'AUTH_UNAVAILABLE',
  'FORBIDDEN',
  'RATE_LIMITED',
  'LIMIT_EXCEEDED',
  'INSECURE_BIND',
  'TIMEOUT',
  'ABORTED',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** The form in which an error crosses a thread or a socket. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The same symbol in every copy of this module. */
const BRAND = Symbol.for('millrace.BusError');

export class BusError extends Error {
  override readonly name = 'BusError';
  readonly code: ErrorCode;
  declare readonly details?: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.details !== undefined) this.details = options.details;
  }

  get [BRAND](): true {
    return true;
  }

  static from(data: ErrorData): BusError {
    return new BusError(data.code, data.message, data.details ? { details: data.details } : {});
  }

  toJSON(): ErrorData {
    const { code, message, details } = this;
    return details === undefined ? { code, message } : { code, message, details };
  }
}

/**
 * One process may load several copies of this package, and a thread loads packed ones: an error of any of them is a BusError. A
 * class that extends it is one of its own.
 */
function isBusError(this: unknown, value: unknown): boolean {
  if (this !== BusError) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === 'object' && value !== null && BRAND in value;
}

Object.defineProperty(BusError, Symbol.hasInstance, { value: isBusError });
