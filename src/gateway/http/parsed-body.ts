import type { IncomingMessage } from 'node:http';

/**
 * Where the gateway stands behind somebody's middleware, that may have read the body already, and left what it made of
 * it at `request.body`: Express and its parsers do. A text or bytes are the body as it came; anything else is written
 * as JSON again, with the numbers that JavaScript has for it.
 *
 * @returns undefined where the body is still to be read
 */
export function parsedBodyOf(request: IncomingMessage): Buffer | undefined {
  if (!request.readableEnded || !('body' in request)) return undefined;
  const { body } = request;
  if (body === undefined || body === null) return undefined;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
