import type { IncomingMessage } from 'node:http';

/**
 * The body that middleware in front of the gateway, such as Express's parsers, has read already and left at
 * `request.body`. A text or bytes are taken as they are; any other value is written as JSON again, in which numbers
 * have JavaScript's precision.
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
