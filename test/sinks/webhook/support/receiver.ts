import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach } from 'vitest';

/** HTTP servers on loopback that note what they are sent and answer as the test says. */

export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The connection on which it came, counted from 0. */
  readonly connection: number;
}

export type Respond = (
  received: Received,
  response: ServerResponse,
  index: number,
) => void | Promise<void>;

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  connections: number;
  /** How many connections are open now. */
  readonly open: number;
  close(): Promise<void>;
}

const open = new Set<Receiver>();

export const accept: Respond = (_, response) => void response.writeHead(204).end();
export const answer =
  (status: number, body = '', headers: Record<string, string> = {}): Respond =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);

export async function startReceiver(respond: Respond = accept): Promise<Receiver> {
  const received: Received[] = [];
  const sockets = new Map<Socket, number>();
  let openNow = 0;
  const server = createServer((request, response) => {
    void take(request, sockets.get(request.socket)!).then((one) => {
      received.push(one);
      return respond(one, response, received.length - 1);
    });
  });
  server.on('connection', (socket) => {
    sockets.set(socket, receiver.connections++);
    socket.once('close', () => openNow--);
    openNow++;
  });
  // A proxy that opens no tunnel.
  server.on('connect', (_request, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    connections: 0,
    get open() {
      return openNow;
    },
    close: async () => {
      open.delete(receiver);
      for (const socket of sockets.keys()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  open.add(receiver);
  return receiver;
}

async function take(request: IncomingMessage, connection: number): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return {
    path: request.url ?? '',
    headers: request.headers as Record<string, string>,
    body: Buffer.concat(chunks).toString(),
    connection,
  };
}

afterEach(async () => {
  await Promise.all([...open].map((receiver) => receiver.close()));
});
