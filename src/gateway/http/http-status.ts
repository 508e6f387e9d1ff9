import type { ErrorCode, ErrorData } from '../../protocol/errors.js';
import { errorData } from '../error-data.js';
import { Refusal } from '../refusal.js';

/** The HTTP status of each error code; docs/HTTP.md has the same table. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  TOPIC_INVALID: 400,
  PATTERN_INVALID: 400,
  EVENT_INVALID: 400,
  PAYLOAD_INVALID: 400,
  PAYLOAD_TOO_LARGE: 413,
  FILTER_INVALID: 400,
  OPTION_INVALID: 400,
  QUERY_INVALID: 400,
  BACKPRESSURE: 503,
  CLOCK_STEPPED: 500,
  BUS_CLOSED: 503,
  STORE_LOCKED: 503,
  STORE_CORRUPT: 500,
  STORE_FULL: 507,
  STORE_FAILED: 500,
  ARCHIVE_FAILED: 503,
  SQLITE_MISSING: 500,
  SHARD_COUNT_MISMATCH: 500,
  SHARD_BY_MISMATCH: 500,
  SHARD_RESTARTED: 503,
  GATEWAY_FAILED: 500,
  PUBLISH_UNKNOWN: 500,
  CURSOR_INVALID: 400,
  CURSOR_EXPIRED: 410,
  SLOW_CONSUMER: 503,
  HANDLER_FAILED: 500,
  NO_RESPONDERS: 503,
  REQUEST_TIMEOUT: 504,
  RESPONDER_FAILED: 502,
  RESPONDER_LOST: 502,
  SINK_FAILED: 500,
  ENDPOINT_GONE: 500,
  ADDRESS_REFUSED: 500,
  AUDIT_BROKEN: 500,
  DRAIN_IN_HANDLER: 500,
  SUBSCRIPTION_EXISTS: 409,
  SUBSCRIPTION_UNKNOWN: 404,
  CONSUMER_EXISTS: 409,
  CONSUMER_UNKNOWN: 404,
  SCHEDULE_UNKNOWN: 404,
  CONSUMER_BUSY: 409,
  LEASE_LOST: 409,
  ATOMIC_ACROSS_SHARDS: 400,
  CONFLICT: 409,
  ALERT_INVALID: 400,
  ALERT_FIXED: 409,
  MESSAGE_INVALID: 400,
  NOT_FOUND: 404,
  UNAUTHENTICATED: 401,
  AUTH_UNAVAILABLE: 503,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  LIMIT_EXCEEDED: 429,
  INSECURE_BIND: 500,
  TIMEOUT: 504,
  ABORTED: 500,
  INTERNAL: 500,
  CONNECTION_FAILED: 502,
};

/** The `Retry-After` of 429 and 503 where the error names no time, in ms. */
const RETRY_MS = 1000;

/** The HTTP status of any error; a `Refusal` has its own. */
export function httpStatusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  const data = errorData(error);
  return isTooWide(data) ? 400 : HTTP_STATUS[data.code];
}

/** Errors after which the same request may succeed later: room is made, or a thread is started again. */
const FOR_NOW: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ARCHIVE_FAILED',
  'AUTH_UNAVAILABLE',
  'BACKPRESSURE',
  'BUS_CLOSED',
  'LIMIT_EXCEEDED',
  'NO_RESPONDERS',
  'RATE_LIMITED',
  'REQUEST_TIMEOUT',
  'RESPONDER_LOST',
  'SHARD_RESTARTED',
  'SLOW_CONSUMER',
  'STORE_FAILED',
  'STORE_LOCKED',
  'TIMEOUT',
]);

export function isForNow(error: unknown): boolean {
  const data = errorData(error);
  return FOR_NOW.has(data.code) && !isTooWide(data);
}

/** A filter that exceeds a limit by itself stays refused however many others leave, so a retry is of no use. */
function isTooWide({ code, details }: ErrorData): boolean {
  return code === 'LIMIT_EXCEEDED' && details?.limitOf === 'filter';
}

/** The headers of an error's answer: `WWW-Authenticate` for 401, `Retry-After` for 429 and 503. */
export function errorHeaders(status: number, error: unknown): Record<string, string> {
  if (status === 401) return { 'www-authenticate': 'Bearer' };
  if (status !== 429 && status !== 503) return {};
  const { retryAfterMs = RETRY_MS } = errorData(error).details ?? {};
  return { 'retry-after': String(Math.max(1, Math.ceil(Number(retryAfterMs) / 1000))) };
}
