import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client has sent and the server is to get later. */
  held: Buffer[] | undefined;
}

/** Stands between clients and a server, and may keep back what they say to each other. */
export class SilentProxy {
  readonly port: number;
  /** How many connections were made since `silence` or `to`. */
  connectionsSince = 0;
  readonly #pairs = new Set<Pair>();
  #serverPort: number;
  #isSilent = false;

  private constructor(port: number, serverPort: number) {
    this.port = port;
    this.#serverPort = serverPort;
  }

  /** Ends with the test. */
  static async before(serverPort: number): Promise<SilentProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new SilentProxy((server.address() as AddressInfo).port, serverPort);
    server.on('connection', (client) => proxy.#join(client));
    onTestFinished(() => {
      server.close();
      proxy.#endAll();
    });
    return proxy;
  }

  /** From now on nothing goes through, and what is sent meanwhile is lost. */
  silence(): void {
    this.connectionsSince = 0;
    this.#isSilent = true;
  }

  speak(): void {
    this.#isSilent = false;
  }

  /** Ends all connections; those that follow are to another server. */
  to(serverPort: number): void {
    this.connectionsSince = 0;
    this.#serverPort = serverPort;
    this.#endAll();
  }

  /** Keeps back what the clients send on the connections that there are, also when they have left. */
  hold(): void {
    for (const pair of this.#pairs) pair.held = [];
  }

  /** The server gets what was kept back. */
  release(): void {
    for (const pair of this.#pairs) {
      for (const bytes of pair.held ?? []) pair.server.write(bytes);
      pair.held = undefined;
    }
  }

  #join(client: Socket): void {
    this.connectionsSince++;
    const pair: Pair = { client, server: connect(this.#serverPort, '127.0.0.1'), held: undefined };
    const { server } = pair;
    this.#pairs.add(pair);
    client.on('data', (bytes) => {
      if (pair.held !== undefined) pair.held.push(bytes);
      else if (!this.#isSilent) server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!this.#isSilent && pair.held === undefined) client.write(bytes);
    });
    client.on('error', () => {});
    server.on('error', () => {});
    client.on('close', () => {
      if (pair.held === undefined) server.destroy();
    });
    server.on('close', () => {
      client.destroy();
      this.#pairs.delete(pair);
    });
  }

  #endAll(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }
}
