import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

/**
 * Serves the page beside this file on http://127.0.0.1:7401. The page has another origin than the Millrace server,
 * which accepts origins on the same machine, and others only if `--allowed-origins` names them.
 */

const PAGE = fileURLToPath(new URL('./index.html', import.meta.url));
const port = Number(process.argv[2] ?? 7401);

const server = createServer((request, response) => {
  const isPage =
    request.method === 'GET' && new URL(request.url ?? '/', 'http://page').pathname === '/';
  response.writeHead(isPage ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
  response.end(isPage ? readFileSync(PAGE) : 'there is only /');
});
server.listen(port, '127.0.0.1', () => {
  const { port: bound } = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.stdout.write(`http://127.0.0.1:${bound}\n`);
});
