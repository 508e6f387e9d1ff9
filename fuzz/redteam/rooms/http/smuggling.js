import assert from 'node:assert/strict';
import { statuses } from '../../stage/http.js';
import { assertUntold } from '../../stage/stage.js';

/** Requests that a proxy and the server might read in two ways, and headers that carry more than they should. */

const SMUGGLED =
  'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';

/** A request inside of another one's body, which publishes if the server takes it for one. */
function inner(stage, topic) {
  const body = JSON.stringify({ topic, type: 't', payload: 'smuggled' });
  return `${SMUGGLED}${stage.bearer('mallory')}Content-Length: ${body.length}\r\n\r\n${body}`;
}

export const attacks = [
  {
    name: 'a request in the body of another one',
    wants: 'a request that a proxy in front has not seen',
    async play(stage) {
      const topic = `mallory.${stage.fresh('smuggled')}`;
      const hidden = inner(stage, topic);
      const first = (headers, body) =>
        `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n${body}`;
      const length = `Content-Length: ${hidden.length}\r\n`;
      const chunked = 'Transfer-Encoding: chunked\r\n';
      const shapes = {
        'CL.TE': first(`Content-Length: ${hidden.length + 5}\r\n${chunked}`, `0\r\n\r\n${hidden}`),
        'TE.CL': first(
          `${chunked}Content-Length: 4\r\n`,
          `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
        ),
        'two lengths': first(`Content-Length: 0\r\n${length}`, hidden),
        'two lengths, the same': first(`${length}${length}`, `${hidden}${hidden}`),
        'a list of lengths': first(`Content-Length: 0, ${hidden.length}\r\n`, hidden),
        'a length with a sign': first(`Content-Length: +0\r\n`, hidden),
        'a length below zero': first(`Content-Length: -1\r\n`, hidden),
        'a length in hex': first(`Content-Length: 0x0\r\n`, hidden),
        'a very long length': first(`Content-Length: 18446744073709551616\r\n`, hidden),
        'chunked twice': first('Transfer-Encoding: chunked, chunked\r\n', `0\r\n\r\n${hidden}`),
        'chunked and more': first('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${hidden}`),
        'an encoding that is not known': first(
          'Transfer-Encoding: xchunked\r\n',
          `0\r\n\r\n${hidden}`,
        ),
        'an encoding in capitals behind a tab': first(
          'Transfer-Encoding:\tCHUNKED\r\nContent-Length: 4\r\n',
          `0\r\n\r\n${hidden}`,
        ),
        'an encoding in quotes': first('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${hidden}`),
        'a space before the colon': first(
          `Content-Length : 0\r\nTransfer-Encoding : chunked\r\n`,
          `0\r\n\r\n${hidden}`,
        ),
        'a folded header': first(`X: y\r\n Transfer-Encoding: chunked\r\n${length}`, hidden),
        'a bare line feed': `POST /v1/events HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 0\n\n${hidden}`,
        'a bare carriage return': first(
          `X: y\rTransfer-Encoding: chunked\r\n`,
          `0\r\n\r\n${hidden}`,
        ),
        'a NUL in a header': first(
          `X: y\u0000Transfer-Encoding: chunked\r\n`,
          `0\r\n\r\n${hidden}`,
        ),
        'a chunk with an extension of lines': first(chunked, `0;x=\n${hidden}\r\n\r\n`),
        'a chunk size that runs over': first(
          chunked,
          `10000000000000000\r\n${hidden}\r\n0\r\n\r\n`,
        ),
        'a chunk size with a sign': first(chunked, `+0\r\n\r\n${hidden}`),
        'an end without its line': first(chunked, `0\r\nX: y\n\n${hidden}`),
        'HTTP/1.0 in chunks': first(chunked, `0\r\n\r\n${hidden}`).replace('HTTP/1.1', 'HTTP/1.0'),
        'HTTP/0.9': `GET /v1/events\r\n\r\n${hidden}`,
        'an upgrade with a body': first(`Connection: upgrade\r\nUpgrade: h2c\r\n${length}`, hidden),
        'an upgrade in chunks with a length': first(
          `Connection: upgrade\r\nUpgrade: h2c\r\n${chunked}Content-Length: 3\r\n`,
          `0\r\n\r\n${hidden}`,
        ),
        'a WebSocket with a body': `GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n${length}\r\n${hidden}`,
        'a CONNECT': `CONNECT 127.0.0.1:${stage.port} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${hidden}`,
        'a TRACE': `TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\n${stage.bearer('mallory')}${length}\r\n${hidden}`,
      };
      const answers = await Promise.all(
        Object.entries(shapes).map(async ([shape, bytes]) => [
          shape,
          await stage.raw(bytes, { idleMs: 1500 }),
        ]),
      );
      for (const [shape, text] of answers) {
        assertUntold(text, stage.tokens.mallory, shape);
        // One answer to the whole, or the server has read the second request where HTTP says that there is one.
        const isPlainlyTwo = shape === 'two lengths, the same' || shape === 'a bare line feed';
        if (!isPlainlyTwo)
          assert.doesNotMatch(text, /"durability":"synced"/, `${shape}: ${text.slice(0, 500)}`);
      }
      const { body } = await stage.ask('mallory', { path: `/v1/events?topic=${topic}` });
      return { shapes: answers.length, published: body.length };
    },
  },
  {
    name: 'a header or a line of the log, in a value',
    wants: 'a header in an answer, or a line in the log, that the server has not written',
    async play(stage) {
      const inject = 'x%0d%0aSet-Cookie:%20pwned=1%0d%0a%0d%0a<script>';
      for (const path of [
        `/${inject}`,
        `/v1/events/${inject}`,
        `/v1/events?topic=${inject}`,
        `/v1/topics?pattern=${inject}`,
        `/v1/consumers/${inject}`,
        `/v1/schedules/${inject}`,
        `/assets/${inject}`,
        `/v1/events/stream?topic=mallory.*&from=after:${inject}`,
        `/?${inject}`,
        `//evil.example/%2f..`,
        '/\\evil.example',
        '/%5cevil.example',
        '/v1?x=%E5%98%8A%E5%98%8DSet-Cookie:pwned=1',
      ]) {
        const answer = await stage.raw(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${stage.bearer('mallory')}Connection: close\r\n\r\n`,
          { idleMs: 1500 },
        );
        const head = answer.slice(0, answer.indexOf('\r\n\r\n')).toLowerCase();
        assert.doesNotMatch(head, /set-cookie|\nlocation: *(?:\/\/|\\|http)/, path);
      }
      const lines = stage.server.text.split('\n').length;
      const forged = '{"level":"warn","msg":"FORGED"}';
      await stage.ask(undefined, {
        path: '/v1/access',
        token: 'x',
        headers: { 'user-agent': 'a\u0085b', origin: 'https://evil.example' },
      });
      const socket = await stage.socket('mallory', { headers: { 'user-agent': forged } });
      socket.send({
        type: `x\n${forged}`,
        requestId: `\n${forged}\n`,
        payload: { [`\n${forged}`]: 1 },
      });
      await socket.next();
      await stage.ask(undefined, {
        path: `/v1/events/${encodeURIComponent(`\n${forged}\n`)}`,
        token: 'y',
      });
      await stage.ask('mallory', { path: `/v1/consumers/${encodeURIComponent(`\n${forged}\n`)}` });
      assert.ok(stage.server.text.split('\n').length >= lines);
      assert.ok(
        !stage.server.logs.some(({ msg }) => msg === 'FORGED'),
        'a line of the log is forged',
      );
      for (const line of stage.server.text.split('\n').filter((one) => one !== ''))
        JSON.parse(line);
    },
  },
  {
    name: 'pipelines, huge headers and odd methods',
    wants: 'a server that stops, or answers the wrong request',
    async play(stage) {
      const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
      const pipeline =
        Array.from({ length: 50 }, (_, n) => get(`/nowhere-${n}`)).join('') +
        get('/livez', 'Connection: close\r\n');
      const text = await stage.raw(pipeline);
      assert.deepEqual(
        [...text.matchAll(/nothing at \\"\/nowhere-(\d+)/g)].map(([, n]) => Number(n)),
        Array.from({ length: 50 }, (_, n) => n),
      );
      for (const [bytes, allowed] of [
        [get('/livez', `X: ${'a'.repeat(70_000)}\r\n`), [431]],
        [get('/livez', 'X: y\r\n'.repeat(5000)), [431, 200]],
        [get(`/${'a'.repeat(70_000)}`), [431, 414]],
        [get('/livez', 'Host: evil.example\r\n'), [400]],
        [get('/livez').replace('Host: 127.0.0.1', 'Host: evil.example'), [403]],
        [get('/livez').replace('Host: 127.0.0.1', 'Host: 127.0.0.1.evil.example'), [403]],
        [get('/livez').replace('Host: 127.0.0.1', 'Host: localhost@evil.example'), [403]],
        [get('/livez').replace('Host: 127.0.0.1', 'Host: 0x7f000001'), [403]],
        [get('/livez').replace('Host: 127.0.0.1', 'Host: localhost.'), [403]],
        [get('/livez').replace('Host: 127.0.0.1\r\n', ''), [400]],
        ['GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n', [403]],
        ['BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', [400]],
        ['OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', [400]],
        ['GET /livez HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n', [400, 505]],
        ['\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', [400]],
        ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505]],
      ]) {
        const [status] = statuses(
          await stage.raw(bytes, { isDone: (answer) => answer.includes('\r\n\r\n') }),
        );
        assert.ok(
          [allowed].flat().includes(status),
          `${JSON.stringify(bytes.slice(0, 60))} is answered ${status}`,
        );
      }
    },
  },
  {
    name: 'paths that leave their folder',
    wants: 'a file of the machine, or a route under another name',
    async play(stage) {
      for (const path of [
        '/assets/../index.html',
        '/assets/..%2findex.html',
        '/assets/%2e%2e/index.html',
        '/assets/..\\index.html',
        '/assets/%2e%2e%5c..%5cpackage.json',
        '/../package.json',
        '/..;/package.json',
        '/assets//etc/passwd',
        '/assets/%00',
        '/assets/index.js%00.css',
        '/assets/C:%5cwindows',
        '/%c0%ae%c0%ae/etc/passwd',
        '/assets/....//....//etc/passwd',
        '/v1/../livez',
        '//v1/events',
        '/v1//events',
        '/V1/EVENTS',
        '/v1/events/',
        '/v1/events/..%2f..%2flivez',
        '/.git/config',
        '/millrace.config.json',
        '/assets/__proto__',
        '/assets/constructor',
        '/v1/__proto__',
        '/v1/events/stream/',
        '/livez/',
        '/metrics%20',
        '/v1/%73tats',
      ]) {
        const answer = await stage.raw(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${stage.bearer('mallory')}Connection: close\r\n\r\n`,
        );
        const [status] = statuses(answer);
        assert.ok([400, 403, 404].includes(status), `${path}: ${status}`);
        assert.doesNotMatch(answer, /root:x|"name": "millrace"|keysFile/);
      }
    },
  },
];
