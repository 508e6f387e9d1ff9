import { connect } from 'node:net';

/** A WebSocket as bytes: frames of any form are sent, and those that come are read, without a library's help. */

const TIMEOUT_MS = 20_000;

/** @typedef {{ opcode: number, fin: boolean, payload: Buffer }} Received */

export class RawSocket {
  /** @type {Received[]} */
  received = [];
  isEnded = false;
  head = '';
  #socket;
  #bytes = Buffer.alloc(0);
  /** @type {(value?: any) => void} */
  #wake = () => {};

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#take(data));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isEnded = true;
      this.#wake();
    });
  }

  /** Connects and shakes hands. @param {number} port */
  static async open(port, headers = '') {
    const socket = connect(port, '127.0.0.1');
    const raw = new RawSocket(socket);
    raw.send(
      Buffer.from(
        `GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
      ),
    );
    await raw.until(
      () => raw.received.length > 0 || (raw.head !== '' && !raw.head.includes(' 101 ')),
    );
    return raw;
  }

  /** @param {Buffer} bytes */
  send(bytes) {
    if (!this.isEnded) this.#socket.write(bytes);
  }

  sendText(text) {
    this.send(frameBytes({ opcode: 1, payload: Buffer.from(text) }));
  }

  /** Waits until this is so, or the server has cut the connection. @throws Error after 20 s */
  async until(isSo) {
    const late = Date.now() + TIMEOUT_MS;
    while (!isSo() && !this.isEnded) {
      const left = late - Date.now();
      if (left <= 0) throw new Error(`nothing for ${TIMEOUT_MS} ms`);
      let timer;
      await new Promise((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  cut() {
    this.#socket.destroy();
  }

  #take(data) {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    if (this.head === '') {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#bytes.toString('latin1', 0, end);
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    while (this.head.includes(' 101 ') && this.#takeFrame());
    this.#wake();
  }

  #takeFrame() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const short = bytes[1] & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < start) return false;
    const length =
      short === 126
        ? bytes.readUInt16BE(2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(2))
          : short;
    if (bytes.length < start + length) return false;
    const payload = bytes.subarray(start, start + length);
    const opcode = bytes[0] & 0x0f;
    // The server's heartbeat.
    if (opcode === 9) this.send(frameBytes({ opcode: 10, payload }));
    else this.received.push({ opcode, fin: bytes[0] >= 0x80, payload });
    this.#bytes = bytes.subarray(start + length);
    return true;
  }
}

/**
 * The bytes of a frame, which need not be a right one.
 *
 * @param {{ opcode: number, payload: Buffer, fin?: boolean, rsv?: number, isMasked?: boolean, form?: number, told?: number }} frame
 *   `form`: 16 or 64, in how many bits the length is written, if more than it needs; `told`: another length than it has
 */
export function frameBytes({ opcode, payload, fin = true, rsv = 0, isMasked = true, form, told }) {
  const length = told ?? payload.length;
  const least = length < 126 ? 7 : length < 65_536 ? 16 : 64;
  const bits = Math.max(form ?? 7, least);
  const head = Buffer.alloc({ 7: 2, 16: 4, 64: 10 }[bits]);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (bits === 7 ? Math.min(length, 125) : bits === 16 ? 126 : 127);
  if (bits === 16) head.writeUInt16BE(length & 0xffff, 2);
  if (bits === 64) head.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([head, payload]);
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  const masked = Buffer.from(payload);
  for (let at = 0; at < masked.length; at++) masked[at] ^= mask[at & 3];
  return Buffer.concat([head, mask, masked]);
}
