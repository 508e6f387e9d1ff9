import type { ServerResponse } from 'node:http';
import type { ErrorData } from '../../protocol/errors.js';
import { SSE_RETRY_MS } from '../../protocol/limits.js';
import { errorData } from '../error-data.js';
import { isForNow } from './http-status.js';

/** What Server-Sent Events look like, and the two ways in which a stream begins: with events, or with a refusal for now. */
export const EVENT_STREAM_TYPE = 'text/event-stream; charset=utf-8';

const HEADERS = {
  'content-type': EVENT_STREAM_TYPE,
  // A stream that is compressed, or collected before it is sent on, arrives late or never.
  'cache-control': 'no-store, no-transform',
  // What nginx and others like it know a stream by that they must not collect.
  'x-accel-buffering': 'no',
};

export function beginStream(response: ServerResponse): void {
  // Set one by one: middleware that compresses reads them when the head is written.
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.writeHead(200);
}

/** `data` is one line of text. */
export function streamEvent(name: string, id: string | undefined, data: string): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}

/** With jitter: those whom one restart has cut off come back one after the other. */
export function retryLine(leastMs = 0): string {
  const waitMs = Math.max(SSE_RETRY_MS, leastMs);
  return `retry: ${Math.round(waitMs * (1 + Math.random()))}\n`;
}

/**
 * A browser's `EventSource` comes back after an answer that ends, and never after one whose status is not 200. So whoever
 * is refused for now only gets a stream of one event, `ended`, and is told when to come again. Other refusals keep their
 * status, for asking again would change nothing: an `EventSource` that is answered by it is closed for good.
 *
 * @returns false if the error is not of that kind
 */
export function refuseForNow(response: ServerResponse, error: unknown): boolean {
  if (!isForNow(error) || response.req.method !== 'GET' || response.headersSent) return false;
  const data: ErrorData = errorData(error);
  const { retryAfterMs } = data.details ?? {};
  const leastMs = typeof retryAfterMs === 'number' ? retryAfterMs : 0;
  beginStream(response);
  response.end(`${retryLine(leastMs)}${streamEvent('ended', undefined, JSON.stringify(data))}`);
  return true;
}
