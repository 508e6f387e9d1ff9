import { RawSocket } from './raw-socket.js';

/** What an honest client asks. Each has to be answered, by a refusal perhaps, whatever the cases have left behind. */
const QUESTIONS = [
  { type: 'query', payload: { topic: 'honest.*', limit: 1, reverse: true } },
  { type: 'get', payload: { topic: 'honest.one', id: 'none' } },
  { type: 'topics', payload: { pattern: 'honest.*' } },
  { type: 'subscribers', payload: { topic: 'honest.one' } },
  { type: 'stats' },
  { type: 'figures', payload: { after: 0 } },
  { type: 'connections', payload: {} },
  { type: 'definitions' },
  { type: 'alerts' },
  { type: 'consumers', payload: { names: ['mailer'] } },
  { type: 'consumerOpen', payload: { name: 'mailer', limit: 1 } },
  { type: 'seekPreview', payload: { name: 'mailer', from: 'earliest' } },
  { type: 'redrive', payload: { name: 'mailer', dryRun: true } },
  { type: 'pull', payload: { consumer: 'mailer', max: 1, waitMs: 0 } },
  { type: 'scheduled', payload: { topic: ['honest.*'], limit: 1 } },
  { type: 'schedules' },
];

/**
 * A bus in memory with a gateway of the product, in this process, and an honest client beside the cases: it publishes,
 * gets what it has published, and is answered what it asks, for as long as they are played.
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
    const asked = new Set();
    for (const [at, question] of QUESTIONS.entries()) {
      const requestId = `${served}: ${at}`;
      asked.add(requestId);
      this.#honest.sendText(JSON.stringify({ ...question, requestId }));
    }
    await this.#answer(({ requestId }) => {
      asked.delete(requestId);
      return asked.size === 0;
    });
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
   * @throws Error unless the honest client is still served, and all subscriptions but its own, and all members, are gone
   */
  async close() {
    try {
      await this.serveHonest();
      for (let left = 200; ; left--) {
        const subscribers = await this.#bus.subscribers();
        const members = (await this.#bus.consumers()).flatMap((one) => one.members);
        if (subscribers.length === 1 && members.length === 0) break;
        const what = `${subscribers.length - 1} subscriptions and ${members.length} members`;
        if (left === 0) throw new Error(`${what} are left`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    } finally {
      this.#honest.cut();
      await this.#handle.close();
      await this.#bus.close();
    }
  }
}
