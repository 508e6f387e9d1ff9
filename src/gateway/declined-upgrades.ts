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
 * A server may pass over an `Upgrade` that it does not speak, such as `h2c`, and answer the request (RFC 9110, 7.8). Node
 * hands every upgrade to the listeners of `upgrade` instead, once there is one, and with its parser gone. So the request's
 * head is put back in front of what follows it, and the socket is given to a server that has no such listener.
 */
export class DeclinedUpgrades {
  readonly #onRequest: RequestListener;
  readonly #server: Server;

  constructor(onRequest: RequestListener, keepAliveMs: number) {
    this.#onRequest = onRequest;
    this.#server = createServer(onRequest);
    // A body has limits of its own, as on the gateway's own server.
    this.#server.requestTimeout = 0;
    this.#server.keepAliveTimeout = keepAliveMs;
    // It never listens, and Node begins with this to know its connections: to end those that are idle, or that stop within a head.
    this.#server.emit('listening');
  }

  /** Answers the request as if it had asked for no upgrade. */
  take(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!request.complete || request.readableLength > 0) {
      this.#answerParsed(request, stream, head);
      return;
    }
    stream.unshift(Buffer.concat([headOf(request), head]));
    this.#server.emit('connection', stream);
  }

  /** Node from 26 on parses the body of an upgrade too; `head`, and what comes on the stream, is what follows the body. */
  #answerParsed(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = request.httpVersion === '1.1' && !wantsClose(request);
    // Of a socket it takes what any duplex stream has.
    const socket = stream as Socket;
    response.assignSocket(socket);
    response.once('finish', () => {
      response.detachSocket(socket);
      if (!response.shouldKeepAlive) {
        stream.end();
        return;
      }
      stream.unshift(head);
      this.#server.emit('connection', stream);
    });
    this.#onRequest(request, response);
  }

  /** Ends what is idle; whoever is being answered is left to that. */
  close(): void {
    this.#server.closeIdleConnections();
  }

  cut(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export function isWebSocketUpgrade({ headers }: IncomingMessage): boolean {
  const protocols = headers.upgrade ?? '';
  return protocols.split(',').some((one) => one.trim().toLowerCase() === 'websocket');
}

/** Without what asked for the upgrade: Node's parser takes nothing more from a connection once it has seen that. */
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
