import type { OverflowPolicy, SubscribeFrom, SubscribeOptions } from '../protocol/bus-api.js';
import { decodeCursor } from '../protocol/cursor.js';
import {
  CLIENT_WINDOW_EVENTS,
  CREDIT_PER_BUFFERED_EVENT,
  SUBSCRIBER_BUFFER_EVENTS,
  SUBSCRIBER_BUFFER_EVENTS_MAX,
  SUBSCRIPTION_NAME_LENGTH_MAX,
} from '../protocol/limits.js';
import { quote } from '../protocol/quote.js';
import { timestampFault, timestampMs } from '../protocol/timestamp.js';
import { isAbortSignal } from '../protocol/watch-signal.js';
import { type CoalesceOptions, coalesceFault } from './coalescer.js';
import { optionsInvalid } from './options.js';

/** As of a bus in the own process; `block` is not for clients. */
export interface ClientSubscribeOptions<P = unknown> extends SubscribeOptions {
  /** Makes one event of many that come within a short time; see docs/CLIENT.md. */
  coalesce?: CoalesceOptions<P>;
}

export interface ParsedSubscribeOptions<P> {
  readonly from: SubscribeFrom;
  readonly overflow: OverflowPolicy | undefined;
  readonly maxBuffer: number | undefined;
  readonly name: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly coalesce: CoalesceOptions<P> | undefined;
  /** Events that may be here or on their way. */
  readonly windowEvents: number;
}

const OVERFLOW: readonly unknown[] = [
  'catch-up',
  'drop-oldest',
  'drop-newest',
  'conflate',
  'disconnect',
] satisfies OverflowPolicy[];

const LAST_MAX = 1_000_000;

/** What is wrong with a value, by option; only those that are given are asked. */
const FAULTS: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  from: fromFault,
  overflow: (value) =>
    OVERFLOW.includes(value) ? undefined : `one of ${OVERFLOW.join(', ')}, not ${quote(value)}`,
  maxBuffer: (value) =>
    isWhole(value, SUBSCRIBER_BUFFER_EVENTS_MAX)
      ? undefined
      : `a whole number from 1 to ${SUBSCRIBER_BUFFER_EVENTS_MAX}, not ${quote(value)}`,
  name: (value) =>
    typeof value === 'string' && value !== '' && value.length <= SUBSCRIPTION_NAME_LENGTH_MAX
      ? undefined
      : `1 to ${SUBSCRIPTION_NAME_LENGTH_MAX} characters, not ${quote(value)}`,
  signal: (value) => (isAbortSignal(value) ? undefined : `an AbortSignal, not ${quote(value)}`),
  coalesce: coalesceFault,
};

/** @throws BusError `OPTION_INVALID` with every fault; `CURSOR_INVALID` for a cursor that is none */
export function parseSubscribeOptions<P>(
  options: ClientSubscribeOptions<P> = {},
): ParsedSubscribeOptions<P> {
  const faults: { path: string; message: string }[] = [];
  for (const [path, value] of Object.entries(options)) {
    const faultOf = Object.hasOwn(FAULTS, path) ? FAULTS[path] : undefined;
    const message =
      faultOf === undefined
        ? `unknown option, with value ${quote(value)}`
        : value === undefined
          ? undefined
          : faultOf(value);
    if (message !== undefined) faults.push({ path, message });
  }
  if (faults.length > 0) throw optionsInvalid('subscribe', faults);
  const { from = 'now', overflow, maxBuffer, name, signal, coalesce } = options;
  if (typeof from === 'object' && 'after' in from) decodeCursor(from.after);
  const wanted = CREDIT_PER_BUFFERED_EVENT * (maxBuffer ?? SUBSCRIBER_BUFFER_EVENTS);
  const windowEvents = Math.min(CLIENT_WINDOW_EVENTS, wanted);
  return { from, overflow, maxBuffer, name, signal, coalesce, windowEvents };
}

/** As it stands in a frame. */
export function wireFrom(from: SubscribeFrom): SubscribeFrom {
  if (typeof from !== 'object' || !('since' in from)) return from;
  return { since: new Date(timestampMs(from.since)).toISOString() };
}

function fromFault(from: unknown): string | undefined {
  if (from === 'now' || from === 'earliest') return undefined;
  const forms = "'now', 'earliest', { last: 1 to 1000000 }, { since: time } or { after: cursor }";
  const fault = `${quote(from)} is none of ${forms}`;
  if (typeof from !== 'object' || from === null || Object.keys(from).length !== 1) return fault;
  const { last, since, after } = from as Record<string, unknown>;
  if (last !== undefined) return isWhole(last, LAST_MAX) ? undefined : fault;
  if (since !== undefined) return timestampFault(since);
  return typeof after === 'string' ? undefined : fault;
}

function isWhole(value: unknown, greatest: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= greatest;
}
