import type { OverflowPolicy, SubscribeOptions } from '../protocol/bus-api.js';
import { decodeCursor } from '../protocol/cursor.js';
import { SUBSCRIBER_BUFFER_EVENTS } from '../protocol/limits/bus-api.js';
import { CLIENT_WINDOW_EVENTS } from '../protocol/limits/client.js';
import { CREDIT_PER_BUFFERED_EVENT } from '../protocol/limits/links.js';
import { checkOptions, REMOTE_OVERFLOW_POLICIES, subscribeChecks } from '../protocol/options.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import { timestampMs } from '../protocol/timestamp.js';
import { type CoalesceOptions, coalesceFault } from './coalescer.js';

/** As of a bus in the own process; `block` is not for clients. */
export interface ClientSubscribeOptions<P = unknown> extends SubscribeOptions {
  /** Makes one event of many that come within a short time; see docs/CLIENT.md. Default: none is made. */
  coalesce?: CoalesceOptions<P>;
}

export interface ParsedSubscribeOptions<P> {
  readonly from: SubscribeFrom;
  readonly overflow: OverflowPolicy | undefined;
  readonly maxBuffer: number | undefined;
  readonly name: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly coalesce: CoalesceOptions<P> | undefined;
  /** How many events the server may send ahead of the consumer. */
  readonly windowEvents: number;
}

const CHECKS = new Map([...subscribeChecks(REMOTE_OVERFLOW_POLICIES), ['coalesce', coalesceFault]]);

/** @throws BusError `OPTION_INVALID` with every fault; `CURSOR_INVALID` if `from.after` is not a cursor */
export function parseSubscribeOptions<P>(
  options: ClientSubscribeOptions<P> = {},
): ParsedSubscribeOptions<P> {
  checkOptions('subscribe', options, CHECKS);
  const { from = 'now', overflow, maxBuffer, name, signal, coalesce } = options;
  if (typeof from === 'object' && 'after' in from) decodeCursor(from.after);
  const wanted = CREDIT_PER_BUFFERED_EVENT * (maxBuffer ?? SUBSCRIBER_BUFFER_EVENTS);
  const windowEvents = Math.min(CLIENT_WINDOW_EVENTS, wanted);
  return { from, overflow, maxBuffer, name, signal, coalesce, windowEvents };
}

/** `from` as a frame carries it, with a time as text. */
export function wireFrom(from: SubscribeFrom): SubscribeFrom {
  if (typeof from !== 'object' || !('since' in from)) return from;
  return { since: new Date(timestampMs(from.since)).toISOString() };
}
