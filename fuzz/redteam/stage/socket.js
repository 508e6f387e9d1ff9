import { WebSocket } from 'ws';

/** A client of the server's WebSocket that shows every frame, and sends whatever it is told to. */
export class Socket {
  /** @type {any[]} */
  frames = [];
  /** @type {{ code: number, reason: string } | undefined} */
  end;
  /** Those who wait for a frame. @type {Set<() => void>} */
  #waiting = new Set();
  #last = 0;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.end = { code, reason: reason.toString() };
        this.#wake();
        resolve(this.end);
      });
    });
  }

  /** @param {number} port @param {import('ws').ClientOptions & { token?: string, path?: string }} options */
  static open(port, { token, path = '/events', headers = {}, ...options } = {}) {
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['millrace.v1'], {
      headers: { ...bearer, ...headers },
      ...options,
    });
    const client = new Socket(socket);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client));
      socket.once('unexpected-response', (_, response) => {
        response.resume();
        reject(
          Object.assign(new Error(`refused: ${response.statusCode}`), {
            status: response.statusCode,
          }),
        );
      });
      socket.once('error', reject);
    });
  }

  #wake() {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The first frame, of those that have come and those to come, for which `isIt` is true; it is taken out. */
  async next(isIt = (_frame) => true) {
    for (;;) {
      const at = this.frames.findIndex(isIt);
      if (at >= 0) return this.frames.splice(at, 1)[0];
      if (this.end !== undefined) throw new Error(`the socket closed: ${JSON.stringify(this.end)}`);
      await new Promise((resolve) => this.#waiting.add(() => resolve(undefined)));
    }
  }

  /** @param {unknown} frame a frame, or its text */
  send(frame) {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Sends a request, and returns the frames of its answer. */
  async ask(type, payload = {}) {
    const requestId = ++this.#last;
    this.send({ type, requestId, payload });
    const frames = [];
    do frames.push(await this.next((frame) => frame.requestId === requestId));
    while (frames.at(-1).payload.more === true);
    return frames;
  }

  /** As `ask`, for an answer of one frame: its type and its payload. */
  async one(type, payload = {}) {
    const [{ type: answer, payload: answered }] = await this.ask(type, payload);
    return { type: answer, ...answered };
  }

  close() {
    this.socket.terminate();
    return this.closed;
  }
}
