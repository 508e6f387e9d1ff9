import { FaultyProxy } from './proxy.js';

/**
 * The network between the server and its clients fails: behind a scripted proxy for each client. What is told here of a
 * condition is in `proxy.js`.
 */
export const KINDS = {
  latency: 2,
  bandwidth: 2,
  drip: 2,
  blackhole: 3,
  halfServer: 3,
  halfClient: 3,
  resetAt: 4,
  reset: 3,
  overtake: 2,
  refuse: 2,
};

/** Dead peers are noticed before rule C6 ends; by default a server waits for a minute. */
const GATEWAY = JSON.stringify({ heartbeatMs: 3000 });

export class NetworkFault {
  name = 'network';
  proxies = new Map();
  #host;
  /** @param {{ clients: string[], host?: string }} options  the clients that are routed; the address of the proxies */
  constructor({ clients, host = '127.0.0.1' }) {
    for (const name of clients) this.proxies.set(name, new FaultyProxy());
    this.#host = host;
  }

  async prepare(world) {
    world.environment.FUZZ_GATEWAY = GATEWAY;
    for (const proxy of this.proxies.values()) await proxy.listen(this.#host);
    world.route = (url, name) => {
      const proxy = this.proxies.get(name);
      if (proxy === undefined) return url;
      proxy.target = Number(new URL(url).port);
      return `http://${this.#host}:${proxy.port}`;
    };
  }

  async inject(random) {
    const kind = random.pickWeighted(KINDS);
    const chosen = [...this.proxies].filter(() => random.chance(0.6));
    if (chosen.length === 0) return undefined;
    for (const [, proxy] of chosen) afflict(kind, proxy, random);
    return `${kind}: ${chosen.map(([name]) => name).join(', ')}`;
  }

  async heal() {
    for (const proxy of this.proxies.values()) proxy.become();
  }

  async close() {
    for (const proxy of this.proxies.values()) await proxy.close();
  }
}

/** Lets one kind of fault happen to the connections of a proxy, until `become()` ends it. */
export function afflict(kind, proxy, random) {
  const delays = () => Array.from({ length: 7 }, () => random.below(1500));
  switch (kind) {
    case 'latency':
      return proxy.become({ latencyMs: 1 + random.below(150) });
    case 'bandwidth':
      return proxy.become({ bytesPerSecond: 1000 * 2 ** random.below(8) });
    case 'drip':
      return proxy.become({ dripBytes: 1 + random.below(200) });
    case 'blackhole':
      return proxy.become({ isBlackhole: true });
    case 'halfServer':
      return proxy.cutHalf('server');
    case 'halfClient':
      return proxy.cutHalf('client');
    case 'resetAt':
      return proxy.become({ resetAfter: 1 + random.below(40_000) });
    case 'overtake':
      proxy.become({ connectDelaysMs: delays() });
      return proxy.reset();
    case 'refuse':
      proxy.become({ refuses: true });
      return proxy.reset();
    default:
      return proxy.reset();
  }
}
