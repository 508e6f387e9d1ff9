import { request } from 'node:http';
import { connect } from 'node:net';

/** Answers and bodies that stay open, as an attacker holds them. */

/** An answer that is read as it comes. */
export class OpenAnswer {
  text = '';
  status = 0;

  /** @param {import('node:http').ClientRequest} sent */
  constructor(sent) {
    this.sent = sent;
    sent.on('error', () => {});
    this.begun = new Promise((resolve) => {
      sent.once('response', (response) => {
        this.response = response;
        this.status = response.statusCode ?? 0;
        resolve(this.status);
      });
      sent.once('close', () => resolve(0));
    });
    // A request may be over before its answer has been read.
    this.ended = this.begun.then(() => {
      const { response } = this;
      if (response === undefined || response.closed) return;
      return new Promise((resolve) => response.once('close', () => resolve(undefined)));
    });
  }

  /** @param {number} port @param {{ method?: string, path: string, token?: string, headers?: any, localAddress?: string, reads?: boolean }} options */
  static open(port, { method = 'GET', path, token, headers = {}, reads = true, ...rest }) {
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const all = { ...bearer, ...headers };
    const given = { host: '127.0.0.1', port, method, path, agent: /** @type {const} */ (false) };
    const sent = request({ ...given, ...rest, headers: all });
    const answer = new OpenAnswer(sent);
    if (reads) answer.read();
    if (method === 'GET') sent.end();
    return answer;
  }

  /** Reads from now on. */
  read() {
    void this.begun.then(() => {
      this.response?.setEncoding('utf8').on('data', (text) => (this.text += text));
      this.response?.on('error', () => {});
    });
  }

  close() {
    this.sent.destroy();
    this.response?.resume();
    return this.ended;
  }
}

/** A request whose body is sent in two parts: the head and the first part at once, the rest when it is asked to. */
export class HeldRequest {
  text = '';

  /** @param {number} port @param {{ method: string, path: string, token: string, body: any, first?: number }} options */
  constructor(port, { method, path, token, body, first = 1 }) {
    const bytes = Buffer.from(JSON.stringify(body));
    const head = [
      `${method} ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      `Content-Length: ${bytes.length}`,
      'Connection: close',
    ];
    this.rest = bytes.subarray(first);
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.setEncoding('latin1').on('data', (text) => (this.text += text));
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve(undefined)));
    this.socket.write(`${head.join('\r\n')}\r\n\r\n`);
    this.socket.write(bytes.subarray(0, first));
  }

  /** Sends the rest. @returns the answer, its head and its body */
  async finish() {
    this.socket.write(this.rest);
    await this.closed;
    return this.text;
  }

  close() {
    this.socket.destroy();
    return this.closed;
  }
}
