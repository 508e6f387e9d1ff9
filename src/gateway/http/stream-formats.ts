import type { ServerResponse } from 'node:http';
import { SSE_RETRY_MS } from '../../protocol/limits.js';
import { errorData } from '../error-data.js';
import { NDJSON_TYPE } from './exchange.js';
import { isForNow } from './http-status.js';

/**
 * How a stream is written. Both formats say the same three things of each event and notice: its name, the cursor behind
 * it, and a line of JSON.
 */
export interface StreamFormat {
  /** Writes the answer's head. */
  begin(response: ServerResponse): void;
  /** Before anything else: a client that loses the connection before the first event resumes here. */
  opening(cursor: string): string;
  event(cursor: string, data: string): string;
  notice(name: string, cursor: string, data: string): string;
}

export const EVENT_STREAM_TYPE = 'text/event-stream';

/**
 * Server-Sent Events. Every event's `id` is the cursor behind it, so a browser that connects again goes on where it
 * was, without anybody's doing.
 */
export const eventStreamFormat: StreamFormat = {
  begin: (response) => begin(response, `${EVENT_STREAM_TYPE}; charset=utf-8`),
  opening: (cursor) => `${retryLine()}id: ${cursor}\n\n`,
  event: (cursor, data) => `id: ${cursor}\ndata: ${data}\n\n`,
  notice: (name, cursor, data) => `event: ${name}\nid: ${cursor}\ndata: ${data}\n\n`,
};

/** A line of JSON each: `{"event":"message","cursor":"…","data":{…}}`, with the names that Server-Sent Events have. */
export const linesFormat: StreamFormat = {
  begin: (response) => begin(response, NDJSON_TYPE),
  opening: (cursor) => `{"event":"open","cursor":"${cursor}"}\n`,
  event: (cursor, data) => `{"event":"message","cursor":"${cursor}","data":${data}}\n`,
  notice: (name, cursor, data) => `{"event":"${name}","cursor":"${cursor}","data":${data}}\n`,
};

/**
 * A browser's `EventSource` comes back after an answer that ends, and never after one whose status is not 200. So a
 * client that is refused for now only gets a stream of one event, `ended`, and is told when to come again. Other
 * refusals keep their status, for asking again would change nothing: an `EventSource` that is answered by it is closed
 * for good.
 *
 * @returns false if the error is not of that kind
 */
export function refuseForNow(response: ServerResponse, error: unknown): boolean {
  if (!isForNow(error) || response.req.method !== 'GET' || response.headersSent) return false;
  const data = errorData(error);
  const { retryAfterMs } = data.details ?? {};
  const leastMs = typeof retryAfterMs === 'number' ? retryAfterMs : 0;
  eventStreamFormat.begin(response);
  // Without an id: the one that the browser has seen before stays where it goes on.
  response.end(`${retryLine(leastMs)}event: ended\ndata: ${JSON.stringify(data)}\n\n`);
  return true;
}

const HEADERS = {
  // A stream that is compressed, or collected before it is sent on, arrives late or never.
  'cache-control': 'no-store, no-transform',
  // By this nginx and others like it know a stream that they must not collect.
  'x-accel-buffering': 'no',
};

function begin(response: ServerResponse, type: string): void {
  // Set one by one: middleware that compresses reads them when the head is written.
  response.setHeader('content-type', type);
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.writeHead(200);
}

/** With jitter: clients that one restart has cut off come back one after the other. */
function retryLine(leastMs = 0): string {
  const waitMs = Math.max(SSE_RETRY_MS, leastMs);
  return `retry: ${Math.round(waitMs * (1 + Math.random()))}\n`;
}
