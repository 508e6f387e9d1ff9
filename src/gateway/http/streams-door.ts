import type { IncomingMessage, ServerResponse } from 'node:http';
import { ulid } from 'ulid';
import type { SubscribeOptions } from '../../protocol/bus-api.js';
import { cloudEventText } from '../../protocol/cloud-event.js';
import { BusError } from '../../protocol/errors.js';
import { CURSOR_LENGTH_MAX } from '../../protocol/limits/events.js';
import { SSE_HEARTBEAT_MS } from '../../protocol/limits/http.js';
import { REMOTE_OVERFLOW_POLICIES } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import { watchExpiry } from '../authentication.js';
import { DISCONNECTED } from '../clients.js';
import { ConnectionRecord } from '../connection-record.js';
import { CursorTexts } from '../cursor-texts.js';
import type { OpenDoor } from '../door.js';
import { assertMayRead } from '../permissions.js';
import { EventStream, type TextOf } from './event-stream.js';
import { type Exchange, headerOf, NDJSON_TYPE } from './exchange.js';
import { ATTRIBUTE_PARAMETERS, filterOf } from './filter-parameters.js';
import type { HttpContext } from './http-context.js';
import { isForNow } from './http-status.js';
import { negotiate } from './media-types.js';
import { invalid, type Parameters } from './parameters.js';
import {
  EVENT_STREAM_TYPE,
  eventStreamFormat,
  linesFormat,
  refuseForNow,
  type StreamFormat,
} from './stream-formats.js';

const KNOWN = [
  'topic',
  'from',
  'lastEventId',
  ...ATTRIBUTE_PARAMETERS,
  'category',
  'overflow',
  'maxBuffer',
  'name',
  'format',
];

/** Subscriptions as streamed answers: Server-Sent Events, or lines of JSON. */
export const openStreamsDoor: OpenDoor<HttpContext> = (context) => {
  const streams = new Streams(context);
  return {
    routes: [
      {
        method: 'GET',
        path: '/v1/events/stream',
        handle: (exchange) => streams.open(exchange),
        refuse,
        listing: {
          about: 'new events: Server-Sent Events, NDJSON',
          query: 'topic=*',
          isLink: true,
        },
      },
    ],
    close: () => streams.close(),
    cut: async () => streams.cut(),
  };
};

/** Opens streams, sends their heartbeats, and ends them when a token ends or the server stops. */
class Streams {
  readonly #context: HttpContext;
  readonly #cursors: CursorTexts;
  readonly #streams = new Set<EventStream>();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(context: HttpContext) {
    this.#context = context;
    this.#cursors = new CursorTexts(context.endpoint.epoch);
    const heartbeatMs = Math.min(context.settings.heartbeatMs, SSE_HEARTBEAT_MS);
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs);
    this.#heartbeat.unref();
    context.signIns.onRevoked((principal) => {
      for (const stream of this.#streams) if (stream.principal === principal) stream.end(revoked());
    });
  }

  async open(exchange: Exchange): Promise<void> {
    const { request, response, parameters, principal, address, budget, rates } = exchange;
    const context = this.#context;
    const format = formatFor(request);
    parameters.assertKnown(KNOWN);
    const filter = filterOf(parameters);
    const options = optionsOf(exchange);
    const isCloudEvents = eventFormOf(parameters) === 'cloudevents';
    assertMayRead(principal, filter);
    rates.subscribe();
    if (request.method === 'HEAD') {
      format.begin(response);
      response.end();
      return;
    }
    // The client left while its token was judged; the stream would never get the event `close`.
    if (response.destroyed) return;
    const texts = context.texts.of(principal);
    const textOf: TextOf = isCloudEvents
      ? (event) => cloudEventText(principal.redact(event))
      : (event) => texts.of(event).text;
    const { asker: askerOf } = budget.subscribe(filter.topics.length);
    const place = context.enter(address);
    const source = { ...context, cursors: this.#cursors };
    const stream = new EventStream(exchange, format, textOf, source);
    this.#streams.add(stream);
    const connection = ulid();
    const leave = this.#enter(connection, exchange, stream);
    void stream.ended.then(() => {
      place.leave();
      leave();
      this.#streams.delete(stream);
    });
    const client = { principal: principal.name, connection };
    const asker = askerOf(context.endpoint.shards, client);
    await stream.open(context.endpoint, { filter, options }, asker);
    const unwatch = watchExpiry(principal.expiresAt, () => stream.end(expired()));
    void stream.ended.then(unwatch);
    // A revocation or the server's closing while the stream was being opened did not end it.
    if (principal.isRevoked) stream.end(revoked());
    if (context.closing.aborted) stream.end(stopping());
  }

  /** Enters the stream in the list of the gateway's clients. */
  #enter(
    id: string,
    { request, address, principal, budget }: Exchange,
    stream: EventStream,
  ): () => void {
    const userAgent = headerOf(request, 'user-agent');
    const connected = { id, address, kind: 'stream', userAgent } as const;
    const record = new ConnectionRecord(connected, request.socket, true);
    return this.#context.clients.enter({
      id,
      describe: () =>
        record.describe(principal, { subscriptions: 1, heldBytes: budget.bytes.held }),
      disconnect: () => stream.disconnect(new BusError('ABORTED', DISCONNECTED)),
    });
  }

  /** Ends every stream, and resolves when they are over. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    const streams = [...this.#streams];
    for (const stream of streams) stream.end(stopping());
    await Promise.all(streams.map(({ ended }) => ended));
  }

  /** Cuts the streams that have not ended. */
  cut(): void {
    for (const stream of this.#streams) stream.cut();
  }

  #beat(): void {
    for (const stream of this.#streams) stream.beat();
  }
}

/** @throws Refusal 406 */
function formatFor(request: IncomingMessage): StreamFormat {
  const type = negotiate(headerOf(request, 'accept'), [EVENT_STREAM_TYPE, NDJSON_TYPE]);
  return type === NDJSON_TYPE ? linesFormat : eventStreamFormat;
}

/** Only Server-Sent Events need a refusal as a stream; a client of lines reads the status. */
function refuse(response: ServerResponse, error: unknown): boolean {
  if (!isForNow(error) || formatFor(response.req) === linesFormat) return false;
  return refuseForNow(response, error);
}

/** @throws BusError `QUERY_INVALID` */
function optionsOf({ request, parameters }: Exchange): SubscribeOptions {
  const options: SubscribeOptions = { from: fromOf(parameters) };
  const resumed = parameters.one('lastEventId') ?? headerOf(request, 'last-event-id');
  // A browser reconnects with the page's old `from`; the last event that it has seen takes precedence.
  if (resumed !== undefined && resumed !== '') options.from = { after: checkedCursor(resumed) };
  const overflow = parameters.one('overflow');
  if (overflow !== undefined)
    options.overflow = oneOf('overflow', overflow, REMOTE_OVERFLOW_POLICIES);
  const maxBuffer = parameters.count('maxBuffer');
  if (maxBuffer !== undefined) options.maxBuffer = maxBuffer;
  const name = parameters.one('name');
  if (name !== undefined) options.name = name;
  return options;
}

/** Parses `from`: `now`, `earliest`, `latest`, `last:10`, `since:2026-01-31T00:00:00Z` or `after:CURSOR`. */
function fromOf(parameters: Parameters): SubscribeFrom {
  const text = parameters.one('from') ?? 'now';
  if (text === 'now' || text === 'earliest' || text === 'latest') return text;
  const end = text.indexOf(':');
  const value = text.slice(end + 1);
  switch (text.slice(0, Math.max(0, end))) {
    case 'last': {
      const last = /^\d{1,16}$/.test(value) ? Number(value) : 0;
      if (Number.isSafeInteger(last) && last > 0) return { last };
      break;
    }
    case 'since':
      return { since: value };
    case 'after':
      return { after: checkedCursor(value) };
  }
  const forms = 'now, earliest, latest, last:N, since:TIME or after:CURSOR';
  throw invalid('from', `parameter from is ${quote(text)}, not ${forms}`);
}

function checkedCursor(text: string): string {
  if (text.length <= CURSOR_LENGTH_MAX) return text;
  throw new BusError('CURSOR_INVALID', `${quote(text)} is not a cursor`);
}

function eventFormOf(parameters: Parameters): 'json' | 'cloudevents' {
  return oneOf('format', parameters.one('format') ?? 'json', ['json', 'cloudevents']);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw invalid(name, `parameter ${name} is ${quote(value)}, not one of ${allowed.join(', ')}`);
}

function stopping(): BusError {
  return new BusError('BUS_CLOSED', 'the server is stopping');
}

function expired(): BusError {
  return new BusError('UNAUTHENTICATED', 'the token has expired');
}

function revoked(): BusError {
  return new BusError('UNAUTHENTICATED', 'the key or token was revoked or changed');
}
