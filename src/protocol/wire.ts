import * as v from 'valibot';
import type { AlertInfo, AlertList, AlertRuleInput } from './alerts.js';
import type { BusStats, SubscriberInfo, TopicInfo } from './bus-api.js';
import type { ConsumerPayloads, ConsumerResult } from './consumer-frames.js';
import { BusError, type ErrorCode, type ErrorData } from './errors.js';
import type { Event, PublishAck } from './event.js';
import { isDeeperThan } from './json-depth.js';
import { jsonFaultText } from './json-fault.js';
import { JSON_DEPTH_MAX } from './limits/events.js';
import { FRAME_ENVELOPE_DEPTH, REQUEST_ID_LENGTH_MAX } from './limits/websocket.js';
import { nameHint } from './name-hint.js';
import type {
  AccessInfo,
  BackupResult,
  ConnectionInfo,
  DefinitionInfo,
  Figures,
  PruneResult,
} from './operations.js';
import { REMOTE_OVERFLOW_POLICIES } from './options.js';
import { quote } from './quote.js';
import { CONSUMER_REQUEST_SCHEMAS } from './wire-consumers.js';
import {
  anyFilter,
  count,
  from,
  isRequestId,
  name,
  nonEmptyStrings,
  notAnArray,
  type RequestId,
  strings,
  valuesByKey,
  windowFields,
} from './wire-fields.js';
import { LATER_REQUEST_SCHEMAS, type LaterResult } from './wire-later.js';
import { eventInput, publishMany, publishOne } from './wire-publish.js';
import { QUESTION_SCHEMAS, type QuestionPayloads } from './wire-questions.js';

/**
 * The frames of the WebSocket in both directions, and the validation of a client's frames.
 *
 * A frame is one text message that holds a JSON object `{ type, requestId?, payload? }`. This file checks shapes: which
 * fields there are and of which JSON type. The bus checks whether a topic, an id or a cursor is well-formed, with its
 * own codes. Any thread, and browsers.
 */

export type { RequestId } from './wire-fields.js';
export { WIRE_PATH, WIRE_PROTOCOL } from './wire-name.js';

const noFields = v.strictObject({});
const nothing = v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : noFields)));
const subscribersFields = v.strictObject({ topic: v.exactOptional(v.string()) });
const topicsFields = v.strictObject({ pattern: v.exactOptional(v.string()) });

const zeroOrMore = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);
const pruneFields = v.strictObject({
  pattern: v.exactOptional(v.string()),
  before: v.exactOptional(v.string()),
  maxEvents: v.exactOptional(zeroOrMore),
  maxBytes: v.exactOptional(zeroOrMore),
});

const figuresFields = v.strictObject({ after: v.exactOptional(zeroOrMore) });

const alertRule = v.custom<AlertRuleInput>(
  (input) => typeof input === 'object' && input !== null && 'name' in input,
  'it is no object with a name',
);

/** The payload of each type of frame that a client may send. */
const REQUEST_SCHEMAS = {
  authenticate: v.strictObject({ token: v.string() }),
  subscribe: v.strictObject({
    subscription: name,
    filter: anyFilter,
    from: v.exactOptional(from),
    overflow: v.exactOptional(v.picklist(REMOTE_OVERFLOW_POLICIES)),
    maxBuffer: v.exactOptional(count),
    window: v.exactOptional(windowFields),
  }),
  consumed: v.strictObject({ subscription: name, events: count }),
  update: v.strictObject({ subscription: name, filter: anyFilter }),
  unsubscribe: v.strictObject({ subscription: name }),
  request: v.strictObject({ event: eventInput, timeoutMs: v.exactOptional(count) }),
  publish: v.lazy((input) =>
    typeof input === 'object' && input !== null && 'events' in input ? publishMany : publishOne,
  ),
  query: v.strictObject({
    topic: v.lazy((input) => (Array.isArray(input) ? nonEmptyStrings : v.string())),
    since: v.exactOptional(v.string()),
    until: v.exactOptional(v.string()),
    after: v.exactOptional(v.string()),
    types: v.exactOptional(strings),
    sources: v.exactOptional(strings),
    correlationIds: v.exactOptional(strings),
    attributes: v.exactOptional(valuesByKey),
    limit: v.exactOptional(count),
    reverse: v.exactOptional(v.boolean()),
    latest: v.exactOptional(v.boolean()),
  }),
  get: v.strictObject({
    topic: v.lazy((input) => (Array.isArray(input) ? nonEmptyStrings : v.string())),
    id: v.string(),
    source: v.exactOptional(v.string()),
  }),
  stats: nothing,
  topics: v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : topicsFields))),
  subscribers: v.optional(
    v.lazy((input) => (Array.isArray(input) ? notAnArray : subscribersFields)),
  ),
  backup: v.strictObject({ dir: v.string() }),
  prune: v.lazy((input) => (Array.isArray(input) ? notAnArray : pruneFields)),
  access: nothing,
  connections: nothing,
  definitions: nothing,
  disconnect: v.strictObject({ id: v.pipe(v.string(), v.minLength(1)) }),
  figures: v.optional(v.lazy((input) => (Array.isArray(input) ? notAnArray : figuresFields))),
  alerts: nothing,
  // The bus checks the rule, with a code of its own.
  setAlert: v.strictObject({ rule: alertRule }),
  removeAlert: v.strictObject({ name: v.string() }),
  ...CONSUMER_REQUEST_SCHEMAS,
  ...QUESTION_SCHEMAS,
  ...LATER_REQUEST_SCHEMAS,
  ping: nothing,
} as const;

export type RequestType = keyof typeof REQUEST_SCHEMAS;
/** `consumed`, `answer` and `abandon` get no answer. */
export type AnsweredType = Exclude<RequestType, 'consumed' | 'answer' | 'abandon'>;
export type RequestPayload<T extends RequestType> = v.InferOutput<(typeof REQUEST_SCHEMAS)[T]>;

export type ClientFrame = {
  [T in RequestType]: {
    readonly type: T;
    readonly requestId?: RequestId;
    readonly payload: RequestPayload<T>;
  };
}[RequestType];

/** The first frame of a connection: the server describes itself. */
export interface Welcome {
  readonly protocol: string;
  /** Name and version: `millrace/0.1.0`. */
  readonly server: string;
  readonly epoch: string;
  /** The number of shards, which is the number of positions in a cursor. */
  readonly shards: number;
  readonly connection: string;
  readonly heartbeatMs: number;
  /** The name of the server's environment, such as `production`; absent: it has none. */
  readonly environment?: string;
  /** The server's dashboard hides what changes anything. */
  readonly dashboardReadOnly?: true;
  /** The name of the client's principal; absent if the client has to `authenticate` first. */
  readonly principal?: string;
  readonly limits: WireLimits;
}

export interface WireLimits {
  readonly frameBytes: number;
  readonly payloadBytes: number;
  readonly subscriptions: number;
  readonly eventsPerFrame: number;
  readonly outboundBytes: number;
  /**
   * How long an id is remembered. `dedupeReachMs`: how far back every id is in fact known, which is less if more ids
   * came than are kept. Absent: not known.
   */
  readonly dedupeWindowMs?: number;
  readonly dedupeReachMs?: number;
  /** Rates of this connection; absent: no limit. */
  readonly publishPerSecond?: number;
  readonly subscribePerSecond?: number;
  readonly queryPerSecond?: number;
}

/**
 * The answer to `query`, `get` (with one event or none), `topics`, `subscribers`, `stats`, `backup` or `prune`, with
 * only the field that belongs to the request.
 */
export interface Result extends ConsumerResult, LaterResult {
  readonly events?: readonly Event[];
  readonly topics?: readonly TopicInfo[];
  readonly subscribers?: readonly SubscriberInfo[];
  readonly stats?: BusStats;
  readonly backup?: BackupResult;
  readonly pruned?: PruneResult;
  readonly access?: AccessInfo;
  readonly figures?: Figures;
  readonly connections?: readonly ConnectionInfo[];
  /** Of `connections`, in the last frame: every gateway has answered. */
  readonly complete?: boolean;
  readonly disconnected?: boolean;
  readonly definitions?: readonly DefinitionInfo[];
  readonly alerts?: AlertList;
  readonly alert?: AlertInfo;
  readonly removedAlert?: { readonly removed: boolean };
  /** The position behind the last event, in the last frame of a `query` that found events and is not in reverse. */
  readonly cursor?: string;
  /** More of the same list follows in a frame with the same `requestId`. */
  readonly more?: true;
}

export interface ServerPayloads extends ConsumerPayloads, QuestionPayloads {
  welcome: Welcome;
  authenticated: {
    readonly principal: string;
    /** RFC 3339: the connection ends then. */
    readonly expiresAt?: string;
  };
  subscribed: { readonly subscription: string; readonly cursor: string; readonly epoch: string };
  unsubscribed: { readonly subscription: string };
  published: {
    readonly acks: readonly PublishAck[];
    /** The position before all these events. Absent if the client may read nothing, or if nothing was stored. */
    readonly cursor?: string;
  };
  result: Result;
  pong: { readonly time: string };
  events: {
    readonly subscription: string;
    readonly events: readonly Event[];
    readonly cursor: string;
  };
  caughtUp: { readonly subscription: string; readonly cursor: string };
  gap: {
    readonly subscription: string;
    readonly shard: number;
    readonly from: number;
    readonly to: number;
    readonly reason: 'pruned' | 'rolled-back';
  };
  dropped: { readonly subscription: string; readonly count: number };
  ended: {
    readonly subscription: string;
    readonly code: ErrorCode;
    readonly message: string;
    readonly cursor: string;
  };
  error: ErrorData;
}

export type ServerFrame = {
  [T in keyof ServerPayloads]: {
    readonly type: T;
    readonly requestId?: RequestId;
    readonly payload: ServerPayloads[T];
  };
}[keyof ServerPayloads];

export type ParsedFrame =
  | { readonly frame: ClientFrame; readonly requestId?: RequestId }
  | { readonly error: BusError; readonly requestId?: RequestId };

const FRAME_FIELDS = new Set(['type', 'requestId', 'payload']);
export const FRAME_DEPTH_MAX = JSON_DEPTH_MAX + FRAME_ENVELOPE_DEPTH;

/** Parses a frame; never throws. An error comes with the frame's `requestId` if that could be read. */
export function parseClientFrame(text: string): ParsedFrame {
  if (isDeeperThan(text, FRAME_DEPTH_MAX)) {
    return {
      error: invalid(`the frame is nested deeper than ${FRAME_DEPTH_MAX} levels`, '', text),
    };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { error: invalid(`the frame is not JSON: ${jsonFaultText(text)}`, '', text) };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { error: invalid('the frame is not a JSON object', '', json) };
  }
  return parseEnvelope(json as Record<string, unknown>);
}

function parseEnvelope(envelope: Record<string, unknown>): ParsedFrame {
  const { type, requestId } = envelope;
  if (requestId !== undefined && !isRequestId(requestId)) {
    const kinds = `a string of 1 to ${REQUEST_ID_LENGTH_MAX} characters or an integer`;
    return {
      error: invalid(`requestId ${quote(requestId)} is not ${kinds}`, 'requestId', requestId),
    };
  }
  const identity = requestId === undefined ? {} : { requestId };
  if (typeof type !== 'string' || !Object.hasOwn(REQUEST_SCHEMAS, type)) {
    const hint = typeof type === 'string' ? nameHint(type, Object.keys(REQUEST_SCHEMAS)) : '';
    const message = `type ${quote(type)} is no type of a request${hint}`;
    return { error: invalid(message, 'type', type), ...identity };
  }
  for (const field in envelope) {
    if (FRAME_FIELDS.has(field)) continue;
    const message = `${quote(field)} is no field of a frame`;
    return { error: invalid(message, field, envelope[field]), ...identity };
  }
  const schema = REQUEST_SCHEMAS[type as RequestType];
  const result = v.safeParse(schema, envelope.payload, { abortEarly: true });
  if (!result.success) return { error: payloadFault(result.issues[0]), ...identity };
  // The schema has only checked the payload. The client's own object is passed on, as the schema's copy would drop keys
  // like `constructor`.
  const frame = { type, payload: envelope.payload, ...identity } as ClientFrame;
  return { frame, ...identity };
}

function payloadFault(issue: v.BaseIssue<unknown>): BusError {
  const within = v.getDotPath(issue);
  const path = within === null ? 'payload' : `payload.${within}`;
  const { expected, input, received } = issue;
  if (expected === 'never') return invalid(`${path} is no field of this frame`, path, input);
  const missing = received === 'undefined' && input === undefined;
  if (missing) return invalid(`${path} is missing`, path, input);
  const message =
    expected === null || expected === 'unknown'
      ? issue.message
      : `expected ${expected}, received ${quote(input)}`;
  return invalid(`${path}: ${message}`, path, input);
}

function invalid(message: string, path: string, value: unknown): BusError {
  return new BusError('MESSAGE_INVALID', message, { details: { path, value: quote(value) } });
}
