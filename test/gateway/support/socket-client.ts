import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';

/** A client of a raw WebSocket: it shows the server's frames unchanged. */

export interface Frame {
  readonly type: string;
  readonly requestId?: string | number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of a payload
  readonly payload: any;
}

export class SocketClient {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #frames: Frame[] = [];
  #stream: Socket | undefined;
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(port: number, options: ClientOptions = {}, protocols: string[] = ['millrace.v1']) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/events`, protocols, options);
    this.socket.on('error', () => {});
    this.socket.on('upgrade', ({ socket }) => {
      this.#stream = socket;
    });
    this.socket.on('message', (data: Buffer) => {
      this.#frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** The number of bytes that have arrived from the network. */
  readonly received = (): number => this.#stream?.bytesRead ?? 0;

  /** Connects and reads the welcome. */
  static async open(port: number): Promise<SocketClient> {
    const client = new SocketClient(port);
    await once(client.socket, 'open');
    await client.next('welcome');
    return client;
  }

  /** Returns the next frame in order. It must be of this type, if one is given. */
  async next(type?: string): Promise<Frame> {
    while (this.#frames.length === 0) {
      if (this.#isClosed) throw new Error(`the socket closed while waiting for ${type}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift()!;
    if (type !== undefined && frame.type !== type) {
      throw new Error(`expected ${type}, got ${JSON.stringify(frame)}`);
    }
    return frame;
  }

  /** The number of frames that have arrived and were not read by the test. */
  get arrived(): number {
    return this.#frames.length;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Sends a request and returns the next frame as its answer. */
  async ask(type: string, payload: unknown, requestId: string | number = 'r'): Promise<Frame> {
    this.send({ type, requestId, payload });
    const frame = await this.next();
    if (frame.requestId !== requestId) throw new Error(`no answer: ${JSON.stringify(frame)}`);
    return frame;
  }

  /** As `ask`, but other frames may come before the answer. */
  async answerTo(type: string, payload: unknown, requestId: string | number): Promise<Frame> {
    this.send({ type, requestId, payload });
    for (;;) {
      const frame = await this.next();
      if (frame.requestId === requestId) return frame;
    }
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}
