import type { ServerResponse } from 'node:http';
import { SSE_RETRY_MS } from '../../protocol/limits/http.js';
import { errorData } from '../error-data.js';
import { NDJSON_TYPE } from './exchange.js';
import { isForNow } from './http-status.js';

/**
 * The format of a stream. Both formats write three things for each event and notice: its name, the cursor after it, and
 * a line of JSON.
 */
export interface StreamFormat {
  /** Writes the answer's head. */
  begin(response: ServerResponse): void;
  /** The first text of the answer. A client that loses the connection before the first event resumes at its cursor. */
  opening(cursor: string): string;
  event(cursor: string, data: string): string;
  notice(name: string, cursor: string, data: string): string;
}

export const EVENT_STREAM_TYPE = 'text/event-stream';

/**
 * Server-Sent Events. The `id` of each event is the cursor after it, so a browser that reconnects resumes there by
 * itself.
 */
export const eventStreamFormat: StreamFormat = {
  begin: (response) => begin(response, `${EVENT_STREAM_TYPE}; charset=utf-8`),
  opening: (cursor) => `${retryLine()}id: ${cursor}\n\n`,
  event: (cursor, data) => `id: ${cursor}\ndata: ${data}\n\n`,
  notice: (name, cursor, data) => `event: ${name}\nid: ${cursor}\ndata: ${data}\n\n`,
};

/**
 * Lines of JSON, with the event names of Server-Sent Events: `{"event":"message","cursor":"…","data":{…}}`.
 */
export const linesFormat: StreamFormat = {
  begin: (response) => begin(response, NDJSON_TYPE),
  opening: (cursor) => `{"event":"open","cursor":"${cursor}"}\n`,
  event: (cursor, data) => `{"event":"message","cursor":"${cursor}","data":${data}}\n`,
  notice: (name, cursor, data) => `{"event":"${name}","cursor":"${cursor}","data":${data}}\n`,
};

/**
 * Answers a temporary refusal with a stream of one event, `ended`, and the time after which to retry. A browser's
 * `EventSource` reconnects after an answer that ends, but never after a status other than 200. Other refusals keep
 * their status, which closes an `EventSource` for good: retrying them would change nothing.
 *
 * @returns false where the error is not temporary
 */
export function refuseForNow(response: ServerResponse, error: unknown): boolean {
  if (!isForNow(error) || response.req.method !== 'GET' || response.headersSent) return false;
  const data = errorData(error);
  const { retryAfterMs } = data.details ?? {};
  const leastMs = typeof retryAfterMs === 'number' ? retryAfterMs : 0;
  eventStreamFormat.begin(response);
  // The event has no id, so that the browser keeps the last one that it has seen and resumes there.
  response.end(`${retryLine(leastMs)}event: ended\ndata: ${JSON.stringify(data)}\n\n`);
  return true;
}

const HEADERS = {
  // A proxy that compresses or buffers a stream delays its events, possibly for ever.
  'cache-control': 'no-store, no-transform',
  // nginx and similar proxies do not buffer an answer with this header.
  'x-accel-buffering': 'no',
};

function begin(response: ServerResponse, type: string): void {
  // The headers are set one by one, because middleware that compresses reads them when the head is written.
  response.setHeader('content-type', type);
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.writeHead(200);
}

/**
 * The time after which a client reconnects, with jitter, so that clients cut off by one restart do not return at once.
 */
function retryLine(leastMs = 0): string {
  const waitMs = Math.max(SSE_RETRY_MS, leastMs);
  return `retry: ${Math.round(waitMs * (1 + Math.random()))}\n`;
}
