import { ServerSocket } from './sockets.js';
import { world } from './world.js';

/**
 * The thread of a gateway, as `gateway-thread.ts` is one: an endpoint, the gateway over it, and its door for WebSockets,
 * whose upgrades come from the virtual network. What HTTP does before an upgrade is left out.
 */
/** `GATEWAY_TURN_MS` */
const TURN_MS = 1000;
const CLOSE = 'close';
const ADDRESS = '127.0.0.1';

export class VirtualGateway {
  #gateway;
  #endpoint;
  #host;
  #count = 0;
  /** @type {any} */
  #context;
  /** @type {any} */
  #door;

  /** @param {any} bodies the product's parts @param {any} data of the thread @param {any} host `report` and `exit` */
  constructor(bodies, { attachment, options, gateway: place, samples }, host) {
    this.#host = host;
    this.#endpoint = bodies.attachBus(attachment, { onError: () => {} });
    world().gatewayEndpoints.push(this.#endpoint);
    const open = (context) => {
      this.#context = context;
      this.#door = bodies.openWebSocketDoor(context);
      return [this.#door];
    };
    const figures = { samples, keep: (sample) => host.report({ type: 'sample', sample }) };
    this.#gateway = new bodies.Gateway(this.#endpoint, options, () => {}, {
      isMounted: true,
      open,
      figures,
    });
    world().network.listen((end) => void this.#accept(end));
    const counters = bodies.internalsOf(this.#endpoint).busCounters;
    setInterval(() => counters.noteTurn(place), TURN_MS);
    host.report({ type: 'listening', host: ADDRESS, port: options.port });
  }

  obey(order) {
    if (order === CLOSE) void this.#close();
  }

  /** As `upgrades.ts` does. */
  async #accept(end) {
    const { signIns, enter, closing } = this.#context;
    if (closing.aborted) {
      end.shut();
      return;
    }
    const place = enter(ADDRESS);
    const principal = await signIns.authenticate(undefined, ADDRESS);
    const socket = new ServerSocket(end);
    socket.once('close', () => place.leave());
    const id = `connection-${++this.#count}`;
    const { stream } = socket;
    this.#door.upgrades[0].connect({ id, place, socket, stream, userAgent: 'sim', principal });
  }

  async #close() {
    await this.#gateway.close();
    await this.#endpoint.close();
    this.#host.report({ type: 'closed' });
    this.#host.exit();
  }
}
