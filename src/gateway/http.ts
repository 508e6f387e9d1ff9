import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorData } from '../protocol/errors.js';

/** How a request or an upgrade is refused before it reaches a door: a JSON `{ code, message }`. */

/** Answers a request that is refused before anything is looked at. */
export function answerRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  error: ErrorData,
): void {
  request.resume();
  answer(response, status, error);
}

/** Answers an upgrade that is refused, and ends its socket. */
export function refuseUpgrade(stream: Duplex, status: number, error: ErrorData): void {
  const body = JSON.stringify(error);
  stream.once('finish', () => stream.destroy());
  stream.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      'Content-Type: application/json\r\n' +
      headersOf(status, error) +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}

/** What a client may have to know besides, as HTTP has it. */
function headersOf(status: number, { details }: ErrorData): string {
  if (status === 401) return 'WWW-Authenticate: Bearer\r\n';
  const retryAfterMs = details?.retryAfterMs;
  if (typeof retryAfterMs !== 'number') return '';
  return `Retry-After: ${Math.ceil(retryAfterMs / 1000)}\r\n`;
}

/** The path of a request's target, as it was sent, without its query. A proxy's form, `http://host/path`, is taken too. */
export function pathOf(request: IncomingMessage): string {
  const target = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '');
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return path === '' ? '/' : path;
}

/**
 * Whether a path says what it means. What would be another path once it was tidied up (`//v1/events`, `/v1/../livez`,
 * `/%2e`) may have passed a proxy's rules under one name, and must not be answered under the other.
 */
export function isNormalPath(path: string): boolean {
  return !/\/\/|\/\.{1,2}(?:\/|$)|\\|%(?:2e|2f|5c)/i.test(path);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
