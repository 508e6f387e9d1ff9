import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A network between one client and one server, which can be cut, or let nothing through. */
export class Network {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #toServers = new Set<Socket>();
  #isCut = false;
  /** How many connections were made. */
  connections = 0;

  private constructor(port: number) {
    this.#server = createServer((client) => {
      if (this.#isCut) {
        client.destroy();
        return;
      }
      this.connections++;
      const server = connect(port, '127.0.0.1');
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      this.#toServers.add(server);
      server.on('close', () => this.#toServers.delete(server));
      client.pipe(server).pipe(client);
    });
  }

  static async to(port: number): Promise<Network> {
    const proxy = new Network(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends all connections, and takes no new ones until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets nothing through on the connections that there are, without ending them. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** As `silence`, but what the client sends still reaches the server. */
  deafen(): void {
    for (const server of this.#toServers) {
      server.unpipe();
      server.pause();
    }
  }

  mend(): void {
    this.#isCut = false;
  }

  dispose(): void {
    this.cut();
    this.#server.close();
  }
}
