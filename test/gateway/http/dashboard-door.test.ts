import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { until } from '../../bus/support/wait.js';
import { openGateway } from '../support/open-gateway.js';
import { openHttp } from './support/open-http.js';

/** The files of the dashboard as the gateway serves them; `test/dashboard` has the page itself. */

const PLAIN = { 'accept-encoding': 'identity' };

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Unlike `fetch`, leaves the body as it was encoded and the path as it was written. */
function raw(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, path, headers, method }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const { statusCode: status } = response;
      resolve({ status, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.on('error', reject).end();
  });
}

async function page(port: number): Promise<{ html: string; script: string }> {
  const html = String((await raw(port, '/', PLAIN)).body);
  const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(html)?.[1];
  if (script === undefined) throw new Error(`no script in ${html}`);
  return { html, script };
}

describe('the files of the dashboard', () => {
  it.each([
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
  ])('are sent as %s to those who take it', async (encoding, decode) => {
    const { port } = await openGateway();
    const { html, script } = await page(port);
    for (const path of ['/', script]) {
      const answer = await raw(port, path, { 'accept-encoding': `deflate, ${encoding};q=0.5` });
      expect(answer.headers['content-encoding']).toBe(encoding);
      expect(answer.headers.vary).toBe('Accept-Encoding');
      const plain = path === '/' ? html : String((await raw(port, path, PLAIN)).body);
      expect(String(decode(answer.body))).toBe(plain);
    }
    const refused = await raw(port, '/', { 'accept-encoding': `${encoding};q=0` });
    expect(refused.headers['content-encoding']).toBeUndefined();
  });

  it('are kept by browsers for good, but for the page, which is asked for again', async () => {
    const { port } = await openGateway();
    const { script } = await page(port);
    const asset = await raw(port, script, {});
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(asset.headers['content-type']).toBe('text/javascript; charset=utf-8');
    const first = await raw(port, '/', {});
    expect(first.headers['cache-control']).toBe('no-cache');
    const again = await raw(port, '/', { 'if-none-match': String(first.headers.etag) });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    const head = await raw(port, '/', {}, 'HEAD');
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(head.headers['content-length']).toBe(first.headers['content-length']);
  });

  it('run under a policy that allows nothing but the page itself, and no markup made of text', async () => {
    const { port } = await openGateway();
    const { headers } = await raw(port, '/', {});
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect((await page(port)).html).not.toMatch(/<style|style=|<script>|https?:/);
  });

  it.each(['/assets/nothing.js', '/assets/', '/assets/..%2findex.html', '/assets/index.html'])(
    'do not include %s',
    async (path) => {
      const { port } = await openGateway();
      expect((await raw(port, path, {})).status).toBe(404);
    },
  );

  it('take no memory for a client that asks for them many times and reads nothing', async () => {
    const { port, server } = await openHttp();
    const { script } = await page(port);
    const { length } = (await raw(port, script, PLAIN)).body;
    const asks = 400;
    let asked = 0;
    server.on('request', () => asked++);
    const before = process.memoryUsage().arrayBuffers;
    const client = connect(port);
    client.pause().write(`GET ${script} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`.repeat(asks));
    await until('the gateway has taken the requests', () => asked === asks);
    // Files are read in turn, so theirs are read when this one is.
    await raw(port, script, PLAIN);
    const grown = process.memoryUsage().arrayBuffers - before;
    client.destroy();
    expect(grown).toBeLessThan((asks * length) / 10);
  });
});
