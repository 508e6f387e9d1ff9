import { WebSocket } from 'ws';
import { BusError, ERROR_CODES, type ErrorData } from '../protocol/errors.js';
import type { OpenSocket, Socket, SocketListener, SocketOptions } from './socket.js';

/**
 * The WebSocket of Node, from the package `ws`. Node before 22 has none of its own, and `ws` limits the length of
 * messages, reports pings, and gives the HTTP answer of a refused upgrade.
 */

/** How long the server may take to answer a close frame before the socket is cut. */
const GOODBYE_MS = 1000;
const REFUSAL_LENGTH_MAX = 65_536;
/** RFC 6455, 7.1.5: closed without a close frame. */
const CLOSE_ABNORMAL = 1006;

export const openSocket: OpenSocket = (options, listener) => new NodeSocket(options, listener);

class NodeSocket implements Socket {
  readonly #socket: WebSocket;
  #listener: SocketListener | undefined;
  #cause: Error | undefined;

  constructor({ url, protocol, maxFrameBytes }: SocketOptions, listener: SocketListener) {
    this.#listener = listener;
    const socket = new WebSocket(url, protocol, {
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on('open', () => this.#listener?.onOpen());
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#listener?.onBinary();
      else this.#listener?.onText(data.toString());
    });
    socket.on('ping', () => this.#listener?.onSign());
    socket.on('error', (error) => {
      this.#cause ??= error;
    });
    socket.on('unexpected-response', (request, response) => {
      void readRefusal(url, response.statusCode ?? 0, response).then((refusal) => {
        this.#cause = refusal;
        request.destroy();
        this.#end(CLOSE_ABNORMAL, refusal.message);
      });
    });
    socket.on('close', (code, said) => {
      this.#end(code, said.toString() || reasonOf(this.#cause));
    });
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  close(code: number, reason: string): void {
    this.#listener = undefined;
    if (this.#socket.readyState !== WebSocket.OPEN) {
      this.#socket.terminate();
      return;
    }
    const timer = setTimeout(() => this.#socket.terminate(), GOODBYE_MS);
    // The server's close frame comes behind the data that has not been read.
    this.#socket.resume();
    this.#socket.once('close', () => clearTimeout(timer));
    this.#socket.close(code, reason);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #end(code: number, reason: string): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClose(code, reason, this.#cause);
  }
}

/**
 * Reads the error from an HTTP answer to the upgrade. A Millrace server gives it in JSON; any other answer becomes
 * `CONNECTION_FAILED`.
 */
async function readRefusal(
  url: string,
  status: number,
  response: AsyncIterable<unknown> & { setEncoding(encoding: 'utf8'): unknown },
): Promise<BusError> {
  let text = '';
  try {
    response.setEncoding('utf8');
    for await (const chunk of response) {
      text += chunk;
      if (text.length > REFUSAL_LENGTH_MAX) break;
    }
    const data = JSON.parse(text) as Partial<ErrorData> | null;
    const { code, message } = data ?? {};
    if (ERROR_CODES.some((known) => known === code) && typeof message === 'string') {
      return BusError.from(data as ErrorData);
    }
  } catch {
    // The answer was cut off or is not JSON, so it is not from a Millrace server.
  }
  const message = `${url} answered with HTTP ${status}: no Millrace is served at this address`;
  return new BusError('CONNECTION_FAILED', message, { details: { url, status } });
}

/** Says why there is no connection: in plain words with the platform's code, or in the platform's own words. */
function reasonOf(error: NodeJS.ErrnoException | undefined): string {
  if (error === undefined) return '';
  const words = REASONS[error.code ?? ''];
  return words === undefined ? error.message : `${words} (${error.code})`;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no server listens there',
  EPROTO: 'the server speaks no TLS; try http: or ws:',
  ENOTFOUND: 'no address is known for this name',
  EAI_AGAIN: 'no address is known for this name',
};
