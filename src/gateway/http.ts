import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorData } from '../protocol/errors.js';
import { quote } from '../protocol/quote.js';
import { WIRE_PATH } from '../protocol/wire.js';

/**
 * Plain HTTP on the gateway's port: the probes, and a JSON `{ code, message }` for whatever is
 * refused.
 */

const PROBES = new Set(['/livez', '/readyz']);

export function answerHttp(request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET' } = request;
  const path = pathOf(request);
  // A body is not read; without this a client that sends one would wait for ever.
  request.resume();
  if (PROBES.has(path)) answerProbe(method, path, response);
  else if (path === WIRE_PATH) {
    response.setHeader('upgrade', 'websocket');
    answer(response, 426, invalid(`${path} is a WebSocket; this request is no upgrade`));
  } else answer(response, 404, invalid(`there is nothing at ${quote(path)}`));
}

function answerProbe(method: string, path: string, response: ServerResponse): void {
  if (method === 'GET' || method === 'HEAD') {
    answer(response, 200, { status: 'ok' });
    return;
  }
  response.setHeader('allow', 'GET, HEAD');
  answer(response, 405, invalid(`${method} is not served at ${path}; GET is`));
}

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

/** The path of a request's target, without its query. */
export function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '/';
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function invalid(message: string): ErrorData {
  return { code: 'MESSAGE_INVALID', message };
}
