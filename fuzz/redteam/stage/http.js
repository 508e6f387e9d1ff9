import { request } from 'node:http';
import { connect } from 'node:net';

/** Requests as a well-behaved client sends them, and bytes as no client would. */

/**
 * @param {number} port
 * @param {{
 *   method?: string, path?: string, token?: string, headers?: Record<string, any>, body?: any, localAddress?: string,
 *   agent?: import('node:http').Agent | false, most?: number,
 * }} options `most`: the bytes of the answer that are read
 */
export function ask(
  port,
  { method = 'GET', path = '/', token, headers = {}, body, most = 32 << 20, ...rest } = {},
) {
  const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const isPlain = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = isPlain ? body : JSON.stringify(body);
  const type = isPlain ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        ...rest,
        headers: { ...bearer, ...type, ...headers },
      },
      (response) => {
        const chunks = [];
        let length = 0;
        response.on('data', (chunk) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length > most) response.destroy();
        });
        response.on('error', () => {});
        response.on('close', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode,
            headers: response.headers,
            text,
            body: parsed(text),
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Sends these bytes unchanged, and returns what comes back until the server ends the connection, `isDone` says so, or
 * nothing has come for `idleMs`.
 */
export function raw(
  port,
  bytes,
  { isDone = (_text) => false, idleMs = 2000, localAddress = '127.0.0.1' } = {},
) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    let text = '';
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.setEncoding('latin1');
    socket.on('data', (piece) => {
      text += piece;
      if (isDone(text)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}

/** The statuses of all answers in a text. */
export function statuses(text) {
  return [...text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => Number(status));
}
