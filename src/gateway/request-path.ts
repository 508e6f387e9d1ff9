import type { IncomingMessage } from 'node:http';

/**
 * The path of a request's target as the client sent it, without the query. The form of proxies, `http://host/path`, is
 * taken too.
 */
export function pathOf(request: IncomingMessage): string {
  const target = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '');
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return path === '' ? '/' : path;
}

/** Whether the path of a request ends in a slash. */
export function hasTrailingSlash(request: IncomingMessage): boolean {
  return pathOf(request).endsWith('/');
}

/**
 * Whether a path stays the same when it is normalised. Another one (`//v1/events`, `/v1/../livez`, `/%2e`) may have
 * passed a proxy's rules under one name, and must not be answered under the other.
 */
export function isNormalPath(path: string): boolean {
  return !/\/\/|\/\.{1,2}(?:\/|$)|\\|%(?:2e|2f|5c)/i.test(path);
}

/** Whether a request's target names a path: `/path`, or a URL as proxies send it, but not `*`. */
export function hasPath({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/') || URL.canParse(url);
}
