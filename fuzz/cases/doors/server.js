import { RawSocket } from './raw-socket.js';

/**
 * A bus in memory with a gateway of the product, in this process, and an honest client beside the cases: it publishes,
 * and gets what it has published, for as long as they are played.
 */
export class Server {
  #bus;
  #handle;
  /** @type {RawSocket} */
  #honest;
  #served = 0;

  constructor(bus, handle, honest) {
    this.#bus = bus;
    this.#handle = handle;
    this.#honest = honest;
  }

  static async open(load, options = {}) {
    const { openBus } = await load('index.js');
    const retention = [{ pattern: '*', maxEvents: 1000 }];
    const bus = await openBus({ dir: ':memory:', shards: 1, systemEvents: false, retention });
    const handle = await bus.serve({ port: 0, dashboard: false, ...options });
    const honest = await RawSocket.open(handle.port);
    const subscribe = { subscription: 'honest', filter: 'honest.*' };
    honest.sendText(JSON.stringify({ type: 'subscribe', requestId: 'begin', payload: subscribe }));
    const server = new Server(bus, handle, honest);
    await server.#answer((frame) => frame.requestId === 'begin');
    return server;
  }

  get port() {
    return this.#handle.port;
  }

  /** The honest client is served. @throws Error if it is not, within 20 s */
  async serveHonest() {
    const served = ++this.#served;
    const event = { topic: 'honest.one', type: 'note', payload: served };
    this.#honest.sendText(
      JSON.stringify({ type: 'publish', requestId: served, payload: { event } }),
    );
    await this.#answer((frame) => frame.requestId === served && frame.type === 'published');
    await this.#answer(
      ({ type, payload }) =>
        type === 'events' && payload.events.some(({ payload: one }) => one === served),
    );
    this.#honest.received = [];
  }

  async #answer(isIt) {
    const honest = this.#honest;
    let seen = 0;
    await honest.until(() => {
      const fresh = honest.received.slice(seen);
      seen = honest.received.length;
      return fresh.some(
        ({ opcode, payload }) => opcode === 1 && isIt(JSON.parse(payload.toString())),
      );
    });
    if (honest.isEnded) throw new Error('the honest client was cut');
  }

  /**
   * Ends the server, whatever it finds.
   *
   * @throws Error unless the honest client is still served, and all subscriptions but its own are gone
   */
  async close() {
    try {
      await this.serveHonest();
      for (let left = 200; ; left--) {
        const subscribers = await this.#bus.subscribers();
        if (subscribers.length === 1) break;
        if (left === 0) throw new Error(`${subscribers.length - 1} subscriptions are left`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    } finally {
      this.#honest.cut();
      await this.#handle.close();
      await this.#bus.close();
    }
  }
}
