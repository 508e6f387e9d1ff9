import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { BusError, type ErrorData } from '../protocol/errors.js';

/** How a gateway refuses a request or an upgrade before a door sees it: with a JSON `{ code, message }`. */

/** The refusal of a request, with its HTTP status. */
export class Refusal extends BusError {
  readonly status: number;

  constructor(
    status: number,
    code: ConstructorParameters<typeof BusError>[0],
    message: string,
    details?: Readonly<Record<string, unknown>>,
  ) {
    super(code, message, details === undefined ? {} : { details });
    this.status = status;
  }
}

/** Answers a request that is refused before a door has seen it; its body is discarded. */
export function answerRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  error: ErrorData,
): void {
  request.resume();
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(error));
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

/** The headers that HTTP asks for with 401, and with an error that says when to retry. */
function headersOf(status: number, { details }: ErrorData): string {
  if (status === 401) return 'WWW-Authenticate: Bearer\r\n';
  const retryAfterMs = details?.retryAfterMs;
  if (typeof retryAfterMs !== 'number') return '';
  return `Retry-After: ${Math.ceil(retryAfterMs / 1000)}\r\n`;
}
