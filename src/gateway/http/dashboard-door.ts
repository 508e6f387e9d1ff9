import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { Door } from '../door.js';
import { hasTrailingSlash } from '../request-path.js';
import { type Exchange, headerOf } from './exchange.js';

/**
 * The dashboard at `/`: the built page in `dist/dashboard`, with the encodings that the build made. The page itself is
 * checked for a new version each time; the names of its assets hold a hash of their content, so a browser keeps them
 * for good.
 *
 * The files are read once, when the gateway opens. Anybody may ask for them, and all answers share their bytes: however
 * many a client asks for without reading them, it holds no memory. A page and assets of two builds are never mixed.
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

/** The encodings that the build has made, and their suffixes; the smallest first. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

interface StoredFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly encoded: ReadonlyMap<string, Buffer>;
}

/** Undefined where the package was built without the page. */
export function openDashboardDoor(): Door | undefined {
  if (!existsSync(PAGE)) return undefined;
  const page = readStored(PAGE, 'text/html; charset=utf-8');
  const assets = readAssets();
  return {
    routes: [
      {
        method: 'GET',
        path: '/',
        handle: async (exchange) => sendPage(exchange, page),
        isPublic: true,
        listing: { about: 'the dashboard', isLink: true },
      },
      {
        method: 'GET',
        path: '/assets/:name',
        handle: async (exchange) => sendAsset(exchange, assets),
        isPublic: true,
      },
    ],
  };
}

function readAssets(): ReadonlyMap<string, StoredFile> {
  const assets = new Map<string, StoredFile>();
  for (const name of readdirSync(ASSETS)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    assets.set(name, readStored(new URL(encodeURIComponent(name), ASSETS), type));
  }
  return assets;
}

function readStored(file: URL, type: string): StoredFile {
  const encoded = ENCODINGS.map(([encoding, suffix]): [string, Buffer] => [
    encoding,
    readFileSync(new URL(file.href + suffix)),
  ]);
  return { type, plain: readFileSync(file), encoded: new Map(encoded) };
}

function sendPage(exchange: Exchange, page: StoredFile): void {
  const { request, response } = exchange;
  if (!hasTrailingSlash(request)) {
    redirectToFolder(exchange);
    return;
  }
  const { content } = encodingOf(page, exchange);
  const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('cache-control', 'no-cache');
  response.setHeader('etag', tag);
  if (headerOf(request, 'if-none-match') === tag) {
    response.writeHead(304).end();
    return;
  }
  send(exchange, page);
}

function sendAsset(exchange: Exchange, assets: ReadonlyMap<string, StoredFile>): void {
  const { name = '' } = exchange.segments;
  const asset = assets.get(name);
  if (asset === undefined) {
    throw new BusError('NOT_FOUND', `the dashboard has no asset ${quote(name)}`);
  }
  exchange.response.setHeader('cache-control', 'public, max-age=31536000, immutable');
  send(exchange, asset);
}

/** Its assets have relative addresses, so the page needs the slash at the end of a base path. */
function redirectToFolder({ request, response }: Exchange): void {
  const [path = '', query] = (request.url ?? '').split(/\?(.*)/s);
  const folder = `${path.slice(path.lastIndexOf('/') + 1)}/`;
  const location = query === undefined ? folder : `${folder}?${query}`;
  response.writeHead(308, { location, 'content-length': 0 }).end();
}

function encodingOf(
  { plain, encoded }: StoredFile,
  { request }: Exchange,
): { readonly content: Buffer; readonly encoding?: string } {
  const accepted = headerOf(request, 'accept-encoding');
  for (const [encoding, content] of encoded) {
    if (accepts(accepted, encoding)) return { content, encoding };
  }
  return { content: plain };
}

function accepts(header: string | undefined, encoding: string): boolean {
  for (const one of (header ?? '').split(',')) {
    const [name, ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    if (name === encoding) return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  }
  return false;
}

function send(exchange: Exchange, file: StoredFile): void {
  const { response } = exchange;
  const { content, encoding } = encodingOf(file, exchange);
  response.setHeader('vary', 'Accept-Encoding');
  if (encoding !== undefined) response.setHeader('content-encoding', encoding);
  response.writeHead(200, { 'content-type': file.type, 'content-length': content.length });
  response.end(content);
}
