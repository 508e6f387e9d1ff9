import { connect } from 'node:net';

/** One HTTP request as bytes, and what came back until the server closed or enough had come. */

const TIMEOUT_MS = 20_000;

/**
 * @param {number} port
 * @param {Buffer} bytes
 * @param {{ isEnough: (head: string) => boolean, hangsUp: boolean }} options `isEnough`: whether this
 *   beginning of the head is enough; `hangsUp`: the client says no more
 * @returns {Promise<{ head: string, body: string }>} an empty head: the server has closed without an answer
 */
export function requestRaw(port, bytes, { isEnough, hangsUp }) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks = [];
    const answer = () => {
      const text = Buffer.concat(chunks).toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return { head: text, body: '' };
      const head = text.slice(0, end);
      const isChunked = /^transfer-encoding: chunked/im.test(head);
      const rest = text.slice(end + 4);
      const body = Buffer.from(isChunked ? unchunked(rest) : rest, 'latin1').toString();
      return { head, body };
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`no end of the answer for ${TIMEOUT_MS} ms; it began with ${answer().head}`),
      );
    }, TIMEOUT_MS);
    socket.on('data', (data) => {
      chunks.push(data);
      const { head } = answer();
      if (isEnough(head)) socket.destroy();
    });
    // A reset, as of a body that the server did not want.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer());
    });
    // A client that says no more has hung up: nobody waits for the rest of a body, and it may get no answer.
    if (hangsUp) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** @param {{ method: string, target: string, headers: [string, string][], body?: string, chunks?: number[] }} request */
export function requestBytes({ method, target, headers, body, chunks }) {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close'];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const bytes = Buffer.from(body ?? '');
  const hasLength = headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  if (chunks !== undefined) lines.push('Transfer-Encoding: chunked');
  else if (body !== undefined && !hasLength) lines.push(`Content-Length: ${bytes.length}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  return Buffer.concat([head, chunks === undefined ? bytes : chunked(bytes, chunks)]);
}

function unchunked(text) {
  let body = '';
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at);
    const length = end < 0 ? 0 : Number.parseInt(text.slice(at, end), 16);
    if (!(length > 0)) return body;
    body += text.slice(end + 2, end + 2 + length);
    at = end + 2 + length + 2;
  }
}

/** The body in chunks of these lengths, the last of which is repeated. */
function chunked(bytes, lengths) {
  const parts = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[Math.min(i, lengths.length - 1)] ?? bytes.length);
    const part = bytes.subarray(at, at + length);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    at += length;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
