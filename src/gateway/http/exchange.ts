import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { Budget } from '../budget/budget.js';
import { errorData } from '../error-data.js';
import type { BodyRoom } from './body.js';
import { errorHeaders, httpStatusOf } from './http-status.js';
import type { Parameters } from './parameters.js';

/**
 * One request and its answer, as routes see them. Routes answer on Node's own response, because a streamed answer has
 * to read how many bytes wait in it, and collects the writes of a turn.
 */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The parameters of the query. */
  readonly parameters: Parameters;
  /** The parameters of the path, decoded, by their names in the route. */
  readonly segments: Readonly<Record<string, string>>;
  readonly principal: Principal;
  /** The client's address, also behind trusted proxies. */
  readonly address: string;
  /** The budget of this request; closed with its answer. */
  readonly budget: Budget;
  readonly rates: ConnectionRates;
  readonly bodies: BodyRoom;
}

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';
export const CURSOR_HEADER = 'millrace-cursor';

type Headers = Readonly<Record<string, string | number>>;

/** Answers with a whole text. On HEAD, Node leaves the body out. */
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
 * Answers with `{ code, message, details? }`. An answer that has begun already is broken off instead, so that the
 * client sees that it is incomplete.
 */
export function sendError(response: ServerResponse, error: unknown, headers: Headers = {}): void {
  if (response.headersSent) {
    breakOff(response);
    return;
  }
  const status = httpStatusOf(error);
  sendJson(response, status, errorData(error), { ...errorHeaders(status, error), ...headers });
}

/** In HTTP/1.0 the end of the connection ends any answer; only a reset shows that the answer is incomplete. */
function breakOff(response: ServerResponse): void {
  const { req, socket } = response;
  const isReset = req.httpVersion === '1.0' && socket !== null && !('encrypted' in socket);
  if (isReset) socket.resetAndDestroy();
  else response.destroy();
}

/** A header's value as one text; several values are joined. Undefined where the header is absent. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
