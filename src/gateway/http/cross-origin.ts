import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * The headers that answers carry for browsers. The gateway refuses requests of origins that are not allowed before they
 * arrive here, so every `Origin` seen here may read the answer.
 */
const EXPOSED = 'Millrace-Cursor, Retry-After, Allow, WWW-Authenticate';
const ALLOWED_HEADERS = [
  'accept',
  'authorization',
  'content-type',
  'last-event-id',
  'millrace-durability',
  'millrace-persist',
  'traceparent',
  'tracestate',
];
const PREFLIGHT_SECONDS = 600;

export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  response.setHeader('cache-control', 'no-store');
}

export function allowCrossOrigin({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('vary', 'Origin, Accept, Authorization');
  if (headers.origin === undefined) return;
  response.setHeader('access-control-allow-origin', headers.origin);
  response.setHeader('access-control-expose-headers', EXPOSED);
}

/** Answers OPTIONS: a browser's preflight, or any other client's. */
export function answerPreflight(
  { headers }: IncomingMessage,
  response: ServerResponse,
  allow: string,
): void {
  if (headers.origin !== undefined && headers['access-control-request-method'] !== undefined) {
    response.setHeader('access-control-allow-methods', allow);
    const asked = String(headers['access-control-request-headers'] ?? '').toLowerCase();
    const names = asked.split(',').map((name) => name.trim());
    const allowed = names.filter(
      (name) => ALLOWED_HEADERS.includes(name) || /^ce-[a-z0-9]+$/.test(name),
    );
    if (allowed.length > 0) response.setHeader('access-control-allow-headers', allowed.join(', '));
    // Private Network Access: a browser asks before a public page may reach a machine of a private network.
    if (headers['access-control-request-private-network'] === 'true') {
      response.setHeader('access-control-allow-private-network', 'true');
    }
    response.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
  }
  response.writeHead(204).end();
}
