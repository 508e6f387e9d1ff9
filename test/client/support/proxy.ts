import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';

/**
 * A TCP proxy that can be made to fail as networks do: to refuse, to lose what it was given while
 * both sides believe in the connection, to lose one direction only, to reset, and to be slow.
 */
export type ProxyMode =
  | 'pass'
  /** Nothing passes in either direction, and neither side notices. */
  | 'black-hole'
  /** Data of the client passes; data of the server does not. */
  | 'half-open'
  /** New connections are cut as soon as they are made. */
  | 'refuse';

const open = new Set<TcpProxy>();

export class TcpProxy {
  mode: ProxyMode = 'pass';
  /** Bytes that are passed on to the client in one go, with a turn of the event loop between; 0: no limit. */
  sliceBytes = 0;
  accepted = 0;
  /** True: the connection is cut instead of passing these bytes on. Frames of a server can be read in them. */
  cutsAt: (from: 'client' | 'server', bytes: Buffer) => boolean = () => false;
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    open.add(proxy);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection with a reset. */
  reset(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    this.accepted++;
    client.on('error', () => {});
    if (this.mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target, '127.0.0.1');
    server.on('error', () => client.destroy());
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const cut = (): void => {
      client.resetAndDestroy();
      server.destroy();
    };
    client.on('data', (bytes) => {
      if (this.cutsAt('client', bytes)) cut();
      else if (this.mode !== 'black-hole') server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (this.cutsAt('server', bytes)) cut();
      else if (this.mode === 'pass') void this.#toClient(client, server, bytes);
    });
    client.on('close', () => this.#end(pair));
    server.on('close', () => this.#end(pair));
  }

  async #toClient(client: Socket, server: Socket, bytes: Buffer): Promise<void> {
    if (this.sliceBytes === 0) {
      client.write(bytes);
      return;
    }
    server.pause();
    for (let at = 0; at < bytes.length; at += this.sliceBytes) {
      client.write(bytes.subarray(at, at + this.sliceBytes));
      await new Promise(setImmediate);
    }
    server.resume();
  }

  /** A black hole swallows the server's close frame too. */
  #end(pair: readonly [Socket, Socket]): void {
    const [client, server] = pair;
    if (this.mode === 'black-hole' && !client.destroyed) return;
    this.#pairs.delete(pair);
    client.destroy();
    server.destroy();
  }
}

afterEach(async () => {
  await Promise.all([...open].map((proxy) => proxy.close()));
  open.clear();
});
