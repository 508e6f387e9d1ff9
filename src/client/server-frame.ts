import { BusError, ERROR_CODES, type ErrorCode } from '../protocol/errors.js';
import type { Event, PublishAck } from '../protocol/event.js';
import { quote } from '../protocol/quote.js';
import type { ServerFrame, ServerPayloads } from '../protocol/wire.js';

/**
 * Reads the frames of the server, which may be newer, faulty, or no Millrace server at all. A frame of an unknown type
 * is ignored, a malformed frame ends the connection, and an accepted frame has the shape that the rest of the client
 * relies on.
 */

type Fields = Readonly<Record<string, unknown>>;
type FrameType = keyof ServerPayloads;

/**
 * For each type of frame: says what is wrong with its payload, or `undefined`. Fields that the client does not read are
 * not checked.
 */
const FAULTS: Record<FrameType, (payload: Fields) => string | undefined> = {
  welcome: (payload) =>
    texts(payload, 'protocol', 'epoch', 'connection') ??
    (isCount(payload.shards) ? undefined : 'shards') ??
    limitsFault(payload.limits),
  authenticated: () => undefined,
  subscribed: (payload) => texts(payload, 'subscription', 'cursor'),
  unsubscribed: (payload) => texts(payload, 'subscription'),
  published: ({ acks }) => (Array.isArray(acks) && acks.every(isAck) ? undefined : 'acks'),
  result: resultFault,
  pong: () => undefined,
  events: (payload) => texts(payload, 'subscription', 'cursor') ?? eventsFault(payload.events),
  caughtUp: (payload) => texts(payload, 'subscription', 'cursor'),
  gap: (payload) =>
    texts(payload, 'subscription', 'reason') ?? counts(payload, 'shard', 'from', 'to'),
  dropped: (payload) => texts(payload, 'subscription') ?? counts(payload, 'count'),
  ended: (payload) => texts(payload, 'subscription', 'code', 'message', 'cursor'),
  error: (payload) => texts(payload, 'code', 'message'),
  joined: (payload) => texts(payload, 'member'),
  left: (payload) => texts(payload, 'member'),
  settled: ({ results }) => listFault('results', results, isOutcome),
  deliveries: (payload) =>
    texts(payload, 'member') ?? listFault('deliveries', payload.deliveries, isDelivery),
  leaseLost: (payload) => texts(payload, 'member') ?? listFault('leases', payload.leases, isText),
  answered: ({ event }) => (isEvent(event) ? undefined : 'event'),
  responding: (payload) => texts(payload, 'responder'),
  respondEnded: (payload) => texts(payload, 'responder'),
  question: (payload) =>
    texts(payload, 'responder') ??
    counts(payload, 'question') ??
    (isEvent(payload.event) ? undefined : 'event'),
  questionOver: (payload) => counts(payload, 'question'),
  memberEnded: (payload) => texts(payload, 'member', 'code', 'message'),
};

/**
 * The frame, or `undefined` if its type is unknown.
 * @throws BusError `MESSAGE_INVALID`
 */
export function parseServerFrame(text: string): ServerFrame | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch (cause) {
    throw invalid(`the server sent text that is not JSON: ${quote(text)}`, cause);
  }
  if (!isObject(frame) || typeof frame.type !== 'string') {
    throw invalid(`the server sent JSON that is not a frame: ${quote(text)}`);
  }
  const { type, requestId, payload } = frame;
  if (!Object.hasOwn(FAULTS, type)) return undefined;
  if (requestId !== undefined && !isRequestId(requestId)) {
    throw invalid(`${type}: requestId ${quote(requestId)} is neither a number nor a string`);
  }
  if (!isObject(payload)) throw invalid(`${type}: payload ${quote(payload)} is not an object`);
  const fault = FAULTS[type as FrameType](payload);
  if (fault !== undefined) throw invalid(`${type}: ${fault} is missing or malformed`);
  return frame as object as ServerFrame;
}

/** The error of a frame. A code that this client does not know becomes `MESSAGE_INVALID`. */
export function serverError(payload: ServerPayloads['error']): BusError {
  const { message, details } = payload;
  const code = knownCode(payload.code);
  return BusError.from(isObject(details) ? { code, message, details } : { code, message });
}

export function knownCode(code: string): ErrorCode {
  return ERROR_CODES.find((known) => known === code) ?? 'MESSAGE_INVALID';
}

/** Refusals after which the same request may well succeed. */
const TRANSIENT: readonly string[] = ['RATE_LIMITED', 'BACKPRESSURE', 'TIMEOUT', 'SHARD_RESTARTED'];

export function isTransient(code: ErrorCode): boolean {
  return TRANSIENT.includes(code);
}

export function invalid(message: string, cause?: unknown): BusError {
  return new BusError('MESSAGE_INVALID', message, cause === undefined ? {} : { cause });
}

/** The fields of a result that are lists of objects, besides events. */
const LISTS = [
  'topics',
  'subscribers',
  'connections',
  'definitions',
  'consumers',
  'redriven',
  'schedules',
] as const;

/** The fields of a result that hold one object. */
const ONE_OBJECT = [
  'stats',
  'backup',
  'pruned',
  'access',
  'figures',
  'alerts',
  'alert',
  'removedAlert',
  'consumer',
  'schedule',
  'preview',
] as const;

function scheduledFault(scheduled: unknown): string | undefined {
  if (!isObject(scheduled)) return 'scheduled';
  return listFault('scheduled.publishes', scheduled.publishes, isObject);
}

function resultFault(payload: Fields): string | undefined {
  const { events, deliveries, page, scheduled, times, ...others } = payload;
  if (events !== undefined) return eventsFault(events);
  if (deliveries !== undefined) return listFault('deliveries', deliveries, isDelivery);
  if (page !== undefined) return pageFault(page);
  const list = LISTS.map((field) => others[field]).find((value) => value !== undefined);
  if (list !== undefined) return Array.isArray(list) && list.every(isObject) ? undefined : 'list';
  if (scheduled !== undefined) return scheduledFault(scheduled);
  if (times !== undefined) return listFault('times', times, (time) => typeof time === 'string');
  const { disconnected, cancelled, deleted, schedule } = others;
  if (typeof (disconnected ?? cancelled ?? deleted) === 'boolean') return undefined;
  // There is no schedule of this name.
  if (schedule === null) return undefined;
  // Of a request that is answered by being done.
  if (Object.keys(payload).length === 0) return undefined;
  const one = ONE_OBJECT.map((field) => others[field]).find((value) => value !== undefined);
  return isObject(one) ? undefined : 'events, or another field of a result,';
}

function pageFault(page: unknown): string | undefined {
  if (!isObject(page) || (page.next !== undefined && !isText(page.next))) return 'page';
  if (page.keys !== undefined) return listFault('page.keys', page.keys, isHeldKey);
  return listFault('page.events', page.events, isObject);
}

function isHeldKey(value: unknown): boolean {
  return isObject(value) && isText(value.key) && isObject(value.first);
}

function limitsFault(limits: unknown): string | undefined {
  if (!isObject(limits)) return 'limits';
  const { dedupeReachMs } = limits;
  if (dedupeReachMs !== undefined && !isCount(dedupeReachMs)) return 'dedupeReachMs';
  return counts(limits, 'frameBytes', 'payloadBytes');
}

function eventsFault(events: unknown): string | undefined {
  return listFault('events', events, isEvent);
}

function listFault(
  field: string,
  list: unknown,
  isGood: (element: unknown) => boolean,
): string | undefined {
  if (!Array.isArray(list)) return field;
  const at = list.findIndex((element) => !isGood(element));
  return at < 0 ? undefined : `${field}.${at}`;
}

function isDelivery(delivery: unknown): boolean {
  if (!isObject(delivery) || !isText(delivery.lease) || !isEvent(delivery.event)) return false;
  const { leaseMs } = delivery;
  // A lease that has just run out may have a little less than nothing left.
  return Number.isFinite(leaseMs) && counts(delivery, 'attempt') === undefined;
}

function isOutcome(outcome: unknown): boolean {
  if (!isObject(outcome)) return false;
  const { code, leaseMs } = outcome;
  if (code !== undefined) return texts(outcome, 'code', 'message') === undefined;
  return leaseMs === undefined || Number.isFinite(leaseMs);
}

function isEvent(event: unknown): event is Event {
  if (!isObject(event) || !('payload' in event)) return false;
  const { shard, sequence } = event;
  if (!isCount(shard) || (sequence !== undefined && !isCount(sequence))) return false;
  return texts(event, 'id', 'topic', 'type', 'source', 'timestamp') === undefined;
}

function isAck(ack: unknown): ack is PublishAck {
  return isObject(ack) && texts(ack, 'id', 'topic', 'durability') === undefined;
}

/** The first of these fields that is not a string, or `undefined`. */
function texts(payload: Fields, ...fields: string[]): string | undefined {
  return fields.find((field) => typeof payload[field] !== 'string');
}

function counts(payload: Fields, ...fields: string[]): string | undefined {
  return fields.find((field) => !isCount(payload[field]));
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isRequestId(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
