import type { IncomingMessage } from 'node:http';

/** The path of a request's target, as it was sent, without its query. A proxy's form, `http://host/path`, is taken too. */
export function pathOf(request: IncomingMessage): string {
  const target = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '');
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return path === '' ? '/' : path;
}

/**
 * Whether a path says what it means. A path that would be another one once it was tidied up (`//v1/events`,
 * `/v1/../livez`, `/%2e`) may have passed a proxy's rules under one name, and must not be answered under the other.
 */
export function isNormalPath(path: string): boolean {
  return !/\/\/|\/\.{1,2}(?:\/|$)|\\|%(?:2e|2f|5c)/i.test(path);
}

/** Whether a request's target is one that a server is asked for: a path, or a URL as proxies send it. */
export function hasPath({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/') || URL.canParse(url);
}
