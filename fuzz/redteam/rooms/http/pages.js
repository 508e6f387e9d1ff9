import assert from 'node:assert/strict';
import { Socket } from '../../stage/socket.js';

/** Pages of other sites in the browser of somebody who may reach the server. */

const EVIL = [
  'https://evil.example',
  'http://127.0.0.1.evil.example',
  'http://localhost.evil.example',
  'http://evil.example:7400',
  'null',
  'file://',
  'http://localhost@evil.example',
  'http://127.0.0.1:7400.evil.example',
  'https://app.example.evil.example',
  'https://evilapp.example',
  'https://app.example:444',
  'http://app.example',
  'https://app.example/',
  'HTTPS://APP.EXAMPLE',
  'https://a.b.evil.example/.wild.example',
  'https://wild.example',
  'https://x_y.wild.example:1',
  'data:',
  'chrome-extension://evil',
  '',
  'https://app.example, https://evil.example',
  'https://app.example https://evil.example',
];

export const attacks = [
  {
    name: 'a page of another site',
    wants: "to use somebody's browser to read or write",
    async play(stage) {
      for (const origin of EVIL) {
        const opened = await Socket.open(stage.port, {
          token: stage.tokens.mallory,
          headers: { origin },
        }).then(
          async (socket) => {
            // A page that is told a reason is one of an allowed origin.
            const frame = await socket.next().catch(() => undefined);
            await socket.close();
            return frame?.type ?? 'opened';
          },
          (error) => error.status,
        );
        assert.equal(opened, 403, `a WebSocket of ${JSON.stringify(origin)}`);
        for (const [method, path] of [
          ['GET', '/v1/access'],
          ['POST', '/v1/events'],
          ['OPTIONS', '/v1/events'],
          ['HEAD', '/v1/topics'],
          ['GET', '/livez'],
        ]) {
          const answer = await stage.ask('mallory', {
            method,
            path,
            headers: { origin, 'access-control-request-method': 'POST' },
          });
          assert.equal(answer.status, 403, `${method} ${path} of ${JSON.stringify(origin)}`);
          assert.equal(answer.headers['access-control-allow-origin'], undefined, origin);
        }
      }
      for (const origin of ['https://app.example', 'https://x.wild.example']) {
        const answer = await stage.ask('mallory', { path: '/v1/access', headers: { origin } });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['access-control-allow-origin'], origin);
        assert.equal(answer.headers['access-control-allow-credentials'], undefined);
        assert.match(answer.headers.vary ?? '', /origin/i);
      }
    },
  },
  {
    name: 'a name that resolves to this machine',
    wants: 'to be of the same origin as the server, by DNS rebinding',
    async play(stage) {
      for (const host of [
        'evil.example',
        `evil.example:${stage.port}`,
        '127.0.0.1.nip.io',
        'localhost.evil.example',
        'LOCALHOST.EVIL.EXAMPLE',
        '[::1].evil.example',
        'localhost:7400@evil.example',
        '127.1',
        '0',
        '0x7f.1',
        '2130706433',
        '127.0.0.1%00.evil.example',
        'localhost\u00a0',
        '::1',
        'a,127.0.0.1',
        '127.0.0.1, evil.example',
        '',
      ]) {
        const bytes = (path, more) =>
          Buffer.from(
            `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\n${stage.bearer('mallory')}${more}\r\n`,
            'latin1',
          );
        const plain = await stage.raw(bytes('/v1/access', 'Connection: close\r\n'));
        assert.match(
          plain,
          /^HTTP\/1\.1 40[03]/,
          `${JSON.stringify(host)}: ${plain.slice(0, 200)}`,
        );
        const upgrade =
          'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
        const socket = await stage.raw(bytes('/events', upgrade), {
          isDone: (text) => text.includes('\r\n\r\n'),
        });
        assert.match(socket, /^HTTP\/1\.1 40[03]/, `a WebSocket at ${JSON.stringify(host)}`);
      }
    },
  },
  {
    name: 'a page in a frame, an image or a script',
    wants: 'to show or to run what is of the server, in a page of another site',
    async play(stage) {
      for (const path of [
        '/',
        '/v1',
        '/livez',
        '/v1/access',
        '/nowhere',
        '/v1/events?topic=mallory.*',
      ]) {
        const { headers, status } = await stage.ask('mallory', { path });
        assert.equal(headers['x-content-type-options'], 'nosniff', `${path} ${status}`);
        assert.equal(headers['set-cookie'], undefined);
        if (!/html/.test(headers['content-type'] ?? '')) continue;
        const policy = headers['content-security-policy'] ?? '';
        assert.match(policy, /default-src 'none'/);
        assert.match(policy, /frame-ancestors 'none'/);
        assert.match(policy, /base-uri 'none'/);
        assert.doesNotMatch(policy, /unsafe-(?:inline|eval)|\*|data:|https?:/, path);
      }
      const { headers } = await stage.ask('mallory', { path: '/v1/events?topic=mallory.*' });
      assert.match(
        headers['cache-control'] ?? '',
        /no-store|private/,
        "a reader's answer may be kept by a cache that others share",
      );
      for (const mode of ['no-cors', 'cors', 'websocket']) {
        for (const site of ['cross-site', 'same-site']) {
          const { status } = await stage.ask('mallory', {
            path: '/v1/access',
            headers: { 'sec-fetch-site': site, 'sec-fetch-mode': mode },
          });
          assert.equal(status, 403, `${site} ${mode}`);
        }
      }
    },
  },
];
