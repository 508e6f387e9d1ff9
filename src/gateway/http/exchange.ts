import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { Budget } from '../budget/budgets.js';
import { errorData } from '../error-data.js';
import type { BodyRoom } from './body.js';
import { errorHeaders, httpStatusOf } from './http-status.js';
import type { Parameters } from './parameters.js';

/**
 * One request and its answer, as the routes see them. They answer on Node's own response: what is
 * streamed has to see how much of it waits, and leaves in one write a turn.
 */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the query. */
  readonly parameters: Parameters;
  /** Of the path, by the names that the route gives them, decoded. */
  readonly segments: Readonly<Record<string, string>>;
  readonly principal: Principal;
  /** The client's. */
  readonly address: string;
  /** Of this request; closed with its answer. */
  readonly budget: Budget;
  readonly rates: ConnectionRates;
  readonly bodies: BodyRoom;
}

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';
export const CURSOR_HEADER = 'millrace-cursor';

type Headers = Readonly<Record<string, string | number>>;

/** Answers with a text as a whole. On HEAD, Node leaves the body out. */
export function sendText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Headers = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const length = Buffer.byteLength(text);
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': length });
  response.end(text);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Headers = {},
): void {
  sendText(response, status, JSON_TYPE, JSON.stringify(body), headers);
}

/**
 * Answers with `{ code, message, details? }`. Where an answer has begun already it can only be broken off, so
 * that the client sees that it is not whole.
 */
export function sendError(response: ServerResponse, error: unknown, headers: Headers = {}): void {
  if (response.headersSent) {
    breakOff(response);
    return;
  }
  const status = httpStatusOf(error);
  sendJson(response, status, errorData(error), { ...errorHeaders(status, error), ...headers });
}

/** In HTTP/1.0 an answer ends with its connection, in order or not; only a reset says that it is not whole. */
function breakOff(response: ServerResponse): void {
  const { req, socket } = response;
  const isReset = req.httpVersion === '1.0' && socket !== null && !('encrypted' in socket);
  if (isReset) socket.resetAndDestroy();
  else response.destroy();
}

/** A header that is there at most once, as text. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
