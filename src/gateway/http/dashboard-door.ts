import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { Door } from '../door.js';
import { hasTrailingSlash } from '../request-path.js';
import { type Exchange, headerOf } from './exchange.js';

/**
 * The dashboard at `/`: the built page in `dist/dashboard`, served from its files with the encodings that the build
 * made. The page itself is checked for a new version each time; the names of its assets hold a hash of their content,
 * so a browser keeps them for good.
 */

const FOLDER = new URL('../../../dist/dashboard/', import.meta.url);
const ASSETS = new URL('assets/', FOLDER);
const PAGE = new URL('index.html', FOLDER);

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Allows the page's own files and its own server. No script or style in the page itself, and no HTML made of text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** The suffixes of the encodings that the build has made, the smallest first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Undefined where the package was built without the page. */
export function openDashboardDoor(): Door | undefined {
  if (!existsSync(PAGE)) return undefined;
  const assets = new Set(readdirSync(ASSETS).filter((name) => extname(name) in TYPES));
  return {
    routes: [
      {
        method: 'GET',
        path: '/',
        handle: sendPage,
        isPublic: true,
        listing: { about: 'the dashboard', isLink: true },
      },
      {
        method: 'GET',
        path: '/assets/:name',
        handle: (exchange) => sendAsset(exchange, assets),
        isPublic: true,
      },
    ],
  };
}

async function sendPage(exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  if (!hasTrailingSlash(request)) {
    redirectToFolder(exchange);
    return;
  }
  const { file, encoding } = encoded(PAGE, headerOf(request, 'accept-encoding'));
  const content = await readFile(file);
  const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('cache-control', 'no-cache');
  response.setHeader('etag', tag);
  if (headerOf(request, 'if-none-match') === tag) {
    response.writeHead(304).end();
    return;
  }
  send(exchange, content, 'text/html; charset=utf-8', encoding);
}

async function sendAsset(exchange: Exchange, assets: ReadonlySet<string>): Promise<void> {
  const { name = '' } = exchange.segments;
  if (!assets.has(name)) {
    throw new BusError('NOT_FOUND', `the dashboard has no asset ${quote(name)}`);
  }
  const accepted = headerOf(exchange.request, 'accept-encoding');
  const { file, encoding } = encoded(new URL(encodeURIComponent(name), ASSETS), accepted);
  const content = await readFile(file);
  exchange.response.setHeader('cache-control', 'public, max-age=31536000, immutable');
  send(exchange, content, TYPES[extname(name)]!, encoding);
}

/** Its assets have relative addresses, so the page needs the slash at the end of a base path. */
function redirectToFolder({ request, response }: Exchange): void {
  const [path = '', query] = (request.url ?? '').split(/\?(.*)/s);
  const folder = `${path.slice(path.lastIndexOf('/') + 1)}/`;
  const location = query === undefined ? folder : `${folder}?${query}`;
  response.writeHead(308, { location, 'content-length': 0 }).end();
}

function encoded(
  file: URL,
  accepted: string | undefined,
): { readonly file: URL; readonly encoding: string | undefined } {
  for (const [encoding, suffix] of ENCODINGS) {
    if (accepts(accepted, encoding)) return { file: new URL(file.href + suffix), encoding };
  }
  return { file, encoding: undefined };
}

function accepts(header: string | undefined, encoding: string): boolean {
  for (const one of (header ?? '').split(',')) {
    const [name, ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    if (name === encoding) return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  }
  return false;
}

function send(
  { response }: Exchange,
  content: Buffer,
  type: string,
  encoding: string | undefined,
): void {
  if (response.destroyed) return;
  response.setHeader('vary', 'Accept-Encoding');
  if (encoding !== undefined) response.setHeader('content-encoding', encoding);
  response.writeHead(200, { 'content-type': type, 'content-length': content.length });
  response.end(content);
}
