import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Answers requests that ask to upgrade to another protocol than WebSocket. A server may ignore such an `Upgrade`, for
 * example to `h2c`, and answer the request (RFC 9110, 7.8). But once a server has an `upgrade` listener, Node hands it
 * every upgrade and detaches its parser from the socket. So this class puts the request's head back in front of the
 * bytes that follow it, and hands the socket to a server without an `upgrade` listener.
 */
export class DeclinedUpgrades {
  readonly #onRequest: RequestListener;
  readonly #keepAliveMs: number;
  #server: Server | undefined;

  constructor(onRequest: RequestListener, keepAliveMs: number) {
    this.#onRequest = onRequest;
    this.#keepAliveMs = keepAliveMs;
  }

  /** Answers the request as if it had asked for no upgrade. */
  take(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!request.complete || request.readableLength > 0) {
      this.#answerParsed(request, stream, head);
      return;
    }
    stream.unshift(Buffer.concat([headOf(request), head]));
    this.#connect(stream);
  }

  /**
   * Node 26 and later parse the body of an upgrade too; `head` and the stream then hold the bytes that follow the body.
   */
  #answerParsed(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = request.httpVersion === '1.1' && !wantsClose(request);
    // `ServerResponse` uses nothing of a socket that other duplex streams lack.
    const socket = stream as Socket;
    response.assignSocket(socket);
    response.once('finish', () => {
      response.detachSocket(socket);
      if (!response.shouldKeepAlive) {
        stream.end();
        return;
      }
      stream.unshift(head);
      this.#connect(stream);
    });
    this.#onRequest(request, response);
  }

  /** Made for the first such request: its timer goes on until it is closed. */
  #connect(stream: Duplex): void {
    this.#server ??= serverOf(this.#onRequest, this.#keepAliveMs);
    this.#server.emit('connection', stream);
  }

  /** Ends idle connections; requests that are being answered go on. */
  close(): void {
    this.#server?.closeIdleConnections();
  }

  /** Ends all connections at once. */
  cut(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

function serverOf(onRequest: RequestListener, keepAliveMs: number): Server {
  const server = createServer(onRequest);
  // The reader of a body has time limits of its own, as on the gateway's own server.
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveMs;
  // Node starts to track connections, and to end those that are idle or stop within a head, on `listening`; but this
  // server never listens.
  server.emit('listening');
  return server;
}

export function isWebSocketUpgrade({ headers }: IncomingMessage): boolean {
  const protocols = headers.upgrade ?? '';
  return protocols.split(',').some((one) => one.trim().toLowerCase() === 'websocket');
}

/**
 * The request's head without the headers of the upgrade: after these, Node's parser reads nothing more from a
 * connection.
 */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const value = rawHeaders[at + 1]!;
    if (name.toLowerCase() === 'upgrade') continue;
    const kept = name.toLowerCase() === 'connection' ? withoutUpgrade(value) : value;
    head += `${name}: ${kept}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

function wantsClose({ headers }: IncomingMessage): boolean {
  return withoutUpgrade(headers.connection ?? '')
    .toLowerCase()
    .split(', ')
    .includes('close');
}

function withoutUpgrade(connection: string): string {
  const options = connection.split(',').map((option) => option.trim());
  return options.filter((option) => option.toLowerCase() !== 'upgrade').join(', ');
}
