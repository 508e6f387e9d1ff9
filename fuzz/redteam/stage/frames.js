import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

/** WebSocket frames byte by byte, right or wrong, over a socket that nobody else reads. */

/**
 * @param {string | Buffer} payload
 * @param {{ opcode?: number, fin?: boolean, rsv?: number, masked?: boolean, length?: bigint }} form
 */
export function frame(
  payload,
  { opcode = 1, fin = true, rsv = 0, masked = true, length = undefined } = {},
) {
  const bytes = Buffer.from(/** @type {any} */ (payload));
  const said = length ?? BigInt(bytes.length);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const flag = masked ? 0x80 : 0;
  const size = Buffer.alloc(said < 126n ? 0 : said < 65_536n ? 2 : 8);
  if (size.length === 2) size.writeUInt16BE(Number(said));
  if (size.length === 8) size.writeBigUInt64BE(said);
  head.push(flag | (size.length === 0 ? Number(said) : size.length === 2 ? 126 : 127));
  // The mask of zeros leaves the bytes as they are.
  return Buffer.concat([
    Buffer.from(head),
    size,
    masked ? Buffer.alloc(4) : Buffer.alloc(0),
    bytes,
  ]);
}

/** A socket behind a handshake. */
export class RawSocket {
  text = '';
  bytes = 0;

  constructor(socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(undefined)));
    socket.on('error', () => {});
  }

  /** @param {number} port @param {{ token?: string, deflate?: boolean, localAddress?: string, reads?: boolean }} options */
  static async open(
    port,
    { token, deflate = false, localAddress = '127.0.0.1', reads = true } = {},
  ) {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const raw = new RawSocket(socket);
    const lines = [
      'GET /events HTTP/1.1',
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Protocol: millrace.v1',
      ...(deflate
        ? [
            'Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover',
          ]
        : []),
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    await new Promise((resolve, reject) => {
      let head = '';
      const onData = (chunk) => {
        head += chunk.toString('latin1');
        if (!head.includes('\r\n\r\n')) return;
        socket.off('data', onData);
        if (head.startsWith('HTTP/1.1 101')) resolve(undefined);
        else
          reject(
            Object.assign(new Error(head.slice(0, 200)), { status: Number(head.slice(9, 12)) }),
          );
      };
      socket.on('data', onData);
      socket.once('close', () => reject(new Error('closed before the handshake')));
    });
    if (reads) {
      socket.on('data', (chunk) => {
        raw.bytes += chunk.length;
        raw.text = (raw.text + chunk.toString('latin1')).slice(-100_000);
      });
    } else socket.pause();
    return raw;
  }

  /** Resolves when the bytes are with the kernel, or the socket is gone. */
  async write(bytes) {
    if (this.socket.destroyed) return;
    if (this.socket.write(bytes)) return;
    const drained = new Promise((resolve) => this.socket.once('drain', () => resolve(undefined)));
    await Promise.race([drained, this.closed]);
  }

  end() {
    this.socket.destroy();
  }
}

/** The code of a close frame at the end of what came; undefined if there is none. */
export function closeCodeOf(text) {
  const at = text.lastIndexOf('\u0088');
  return at < 0 || text.length < at + 4
    ? undefined
    : (text.charCodeAt(at + 2) << 8) | text.charCodeAt(at + 3);
}
