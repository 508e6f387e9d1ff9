import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between a client and a server, and may let connections stand on which nothing comes any more. */
export class SilentProxy {
  readonly port: number;
  /** How many connections were made since `silence`. */
  connectionsSince = 0;
  #isSilent = false;

  private constructor(port: number) {
    this.port = port;
  }

  /** Ends with the test. */
  static async before(serverPort: number): Promise<SilentProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new SilentProxy((server.address() as AddressInfo).port);
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      proxy.connectionsSince++;
      const behind = connect(serverPort, '127.0.0.1');
      for (const [from, to] of [
        [socket, behind],
        [behind, socket],
      ] as const) {
        sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.on('data', (bytes) => {
          if (!proxy.#isSilent) to.write(bytes);
        });
      }
    });
    onTestFinished(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
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
}
