import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { encodeCursor } from '../../../src/protocol/cursor.js';

/**
 * A server whose frames a test can replace: it answers rightly by default, and with any nonsense that a test asks for.
 */
export interface Asked {
  readonly type: string;
  readonly requestId?: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of a payload
  readonly payload: any;
}

export type Script = (asked: Asked, socket: WebSocket) => boolean;

export const CURSOR = encodeCursor({ epoch: 'e1', positions: [0] });

export function cursorAt(position: number): string {
  return encodeCursor({ epoch: 'e1', positions: [position] });
}

export const WELCOME = {
  type: 'welcome',
  payload: {
    protocol: 'millrace.v1',
    server: 'wrong/1',
    epoch: 'e1',
    shards: 1,
    connection: 'c',
    heartbeatMs: 30_000,
    principal: 'anonymous',
    limits: { frameBytes: 1_000_000, payloadBytes: 900_000, subscriptions: 9 },
  },
};

const open = new Set<WrongServer>();

export class WrongServer {
  /** The frames that clients have sent, over all connections. */
  readonly asked: Asked[] = [];
  connections = 0;
  /** Sent first; `undefined`: nothing is. */
  welcome: unknown = WELCOME;
  /** Answers a frame itself and returns true, or leaves it to the default answer. */
  script: Script = () => false;
  #stored = 0;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor() {
    this.#http = createServer();
    this.#sockets = new WebSocketServer({ server: this.#http });
    this.#sockets.on('connection', (socket) => this.#onConnection(socket));
  }

  static async start(): Promise<WrongServer> {
    const server = new WrongServer();
    open.add(server);
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get sockets(): WebSocket[] {
    return [...this.#sockets.clients];
  }

  count(type: string): number {
    return this.asked.filter((asked) => asked.type === type).length;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #onConnection(socket: WebSocket): void {
    this.connections++;
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const asked: Asked = JSON.parse(data.toString());
      this.asked.push(asked);
      if (!this.script(asked, socket)) this.#answer(asked, socket);
    });
    if (this.welcome !== undefined) send(socket, this.welcome);
  }

  #answer({ type, requestId, payload }: Asked, socket: WebSocket): void {
    const reply = (kind: string, answer: unknown): void =>
      send(socket, { type: kind, requestId, payload: answer });
    if (type === 'ping') reply('pong', { time: '2026-01-01T00:00:00.000Z' });
    if (type === 'authenticate') reply('authenticated', { principal: 'p' });
    if (type === 'subscribe' || type === 'update') {
      const cursor = payload.from?.after ?? CURSOR;
      reply('subscribed', { subscription: payload.subscription, cursor, epoch: 'e1' });
    }
    if (type === 'unsubscribe') reply('unsubscribed', { subscription: payload.subscription });
    if (type === 'publish') {
      const events: { id: string; topic: string }[] = payload.events ?? [payload.event];
      const acks = events.map(({ id, topic }) => ({
        id,
        topic,
        shard: 0,
        sequence: ++this.#stored,
        durability: 'synced',
        duplicate: false,
      }));
      reply('published', { acks });
    }
  }
}

export function send(socket: WebSocket, frame: unknown): void {
  socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
}

/** An event as a server sends it. */
export function wireEvent(sequence: number, fields: object = {}): object {
  return {
    id: `e${sequence}`,
    topic: 'a',
    type: 'agent_log',
    payload: sequence,
    source: 's',
    timestamp: '2026-01-01T00:00:00.000Z',
    shard: 0,
    sequence,
    ...fields,
  };
}

/** A frame of the events with these sequences. */
export function eventsFrame(subscription: string, ...sequences: number[]): object {
  const cursor = cursorAt(Math.max(0, ...sequences));
  const events = sequences.map((sequence) => wireEvent(sequence));
  return { type: 'events', payload: { subscription, events, cursor } };
}

afterEach(async () => {
  await Promise.all([...open].map((server) => server.close()));
  open.clear();
});
