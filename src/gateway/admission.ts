import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { clientNetwork } from '../auth/client-network.js';
import { quote } from '../protocol/quote.js';
import { AddressRates } from './budget/address-rates.js';
import {
  isLoopbackAddress,
  isLoopbackHost,
  isLoopbackOrigin,
  normaliseAddress,
} from './loopback.js';
import { Refusal } from './refusal.js';
import type { GatewaySettings } from './settings.js';
import type { Peer } from './trusted-proxies.js';

/**
 * Who may come near at all, before it is asked who it is: by the names under which the server is
 * called, the page that a browser comes from, and how many connections there are. One for a
 * gateway; one thread.
 */

/** One connection's place among all of them. */
export interface Place {
  readonly address: string;
  /** It is known who it is. */
  identified(): void;
  /** Idempotent. */
  leave(): void;
}

export class Admission {
  readonly #settings: GatewaySettings;
  readonly #isLocalOnly: boolean;
  readonly #byNetwork = new Map<string, { open: number; unidentified: number }>();
  readonly #rates: AddressRates;
  #open = 0;
  #unidentified = 0;

  /** `isLocalOnly`: whoever comes from another machine is refused. */
  constructor(settings: GatewaySettings, isLocalOnly: boolean) {
    this.#settings = settings;
    this.#rates = new AddressRates(settings.maxConnectsPerSecond);
    this.#isLocalOnly = isLocalOnly;
  }

  /** Connections that have a place. */
  get size(): number {
    return this.#open;
  }

  /**
   * Whether a request, or an upgrade, may be looked at.
   *
   * @throws Refusal
   */
  checkRequest(request: IncomingMessage, { address, host, scheme }: Peer): void {
    if (this.#isLocalOnly) this.#checkLocal(request, address);
    const { origin } = request.headers;
    // Node keeps the first, a proxy may have gone by the other.
    if (countOf(request, 'host') > 1) {
      throw new Refusal(400, 'MESSAGE_INVALID', 'the request has more than one Host');
    }
    if (origin === undefined) checkFetchSite(request);
    // A page of another site can have its own name point to this machine, but must say that name.
    if (host !== undefined && !this.#isHostAllowed(host)) {
      const message = `host ${quote(host)} is not served here; see the option allowedHosts`;
      throw new Refusal(403, 'FORBIDDEN', message);
    }
    if (origin !== undefined && !this.#isOriginAllowed(origin, host, scheme)) {
      const message = `pages of ${quote(origin)} may not connect; see the option allowedOrigins`;
      throw new Refusal(403, 'FORBIDDEN', message);
    }
  }

  /** @throws Refusal */
  #checkLocal({ headers, socket }: IncomingMessage, address: string): void {
    if (!isLoopbackAddress(address)) {
      const message = `${address} is another machine, and no authentication is configured`;
      throw new Refusal(403, 'FORBIDDEN', message);
    }
    const forwardedFor = headers['x-forwarded-for'];
    if (forwardedFor === undefined && headers.forwarded === undefined) return;
    const isProxyTrusted = this.#settings.trustedProxies.has(
      normaliseAddress(socket.remoteAddress),
    );
    // `address` is whom it comes for.
    if (isProxyTrusted && forwardedFor) return;
    // A proxy on this machine makes everybody come from here.
    const message =
      'the request came through a proxy that is not trusted, or does not say for whom (X-Forwarded-For), ' +
      'and no authentication is configured; see the options auth and trustedProxies';
    throw new Refusal(403, 'FORBIDDEN', message);
  }

  /**
   * A place for a connection. `isIdentified`: it is known who it is, or will be before the upgrade.
   *
   * @throws Refusal where there are too many, or they come too fast
   */
  enter(address: string, isIdentified: boolean): Place {
    this.#checkRate(address);
    this.#checkRoom(address, isIdentified);
    const network = clientNetwork(address);
    const counts = this.#byNetwork.get(network) ?? { open: 0, unidentified: 0 };
    this.#byNetwork.set(network, counts);
    counts.open++;
    this.#open++;
    if (!isIdentified) {
      counts.unidentified++;
      this.#unidentified++;
    }
    let isUnidentified = !isIdentified;
    let hasLeft = false;
    const identified = (): void => {
      if (!isUnidentified) return;
      isUnidentified = false;
      counts.unidentified--;
      this.#unidentified--;
    };
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      identified();
      this.#open--;
      if (--counts.open === 0) this.#byNetwork.delete(network);
    };
    return { address, identified, leave };
  }

  #checkRoom(address: string, isIdentified: boolean): void {
    const { maxConnections, maxConnectionsPerAddress } = this.#settings;
    const { maxUnauthenticated, maxUnauthenticatedPerAddress } = this.#settings;
    if (this.#open >= maxConnections) {
      const message = `the server has ${maxConnections} connections, which is the limit`;
      throw new Refusal(503, 'LIMIT_EXCEEDED', message, { maxConnections });
    }
    const network = clientNetwork(address);
    const { open, unidentified } = this.#byNetwork.get(network) ?? { open: 0, unidentified: 0 };
    if (open >= maxConnectionsPerAddress) {
      const message = `${network} has ${maxConnectionsPerAddress} connections, which is the limit`;
      throw new Refusal(429, 'LIMIT_EXCEEDED', message, { maxConnectionsPerAddress });
    }
    if (isIdentified) return;
    if (unidentified >= maxUnauthenticatedPerAddress) {
      const message = `${network} has ${unidentified} connections that have not authenticated`;
      throw new Refusal(429, 'LIMIT_EXCEEDED', message, { maxUnauthenticatedPerAddress });
    }
    if (this.#unidentified < maxUnauthenticated) return;
    const message = `the server has ${this.#unidentified} connections that have not authenticated`;
    throw new Refusal(503, 'LIMIT_EXCEEDED', message, { maxUnauthenticated });
  }

  #checkRate(address: string): void {
    const retryAfterMs = this.#rates.take(address);
    if (retryAfterMs === 0) return;
    const { maxConnectsPerSecond } = this.#settings;
    const message = `${address} connects too often: ${maxConnectsPerSecond} per second is the limit`;
    throw new Refusal(429, 'RATE_LIMITED', message, { retryAfterMs, maxConnectsPerSecond });
  }

  #isHostAllowed(header: string): boolean {
    const { host, allowedHosts } = this.#settings;
    const name = hostNameOf(header);
    if (name === undefined) return false;
    // An address in numbers is nobody's to point elsewhere.
    if (isIP(name) !== 0 || isLoopbackHost(name)) return true;
    return name === host.toLowerCase() || allowedHosts.has(name);
  }

  /** A browser says which page a connection comes from; other clients say nothing. */
  #isOriginAllowed(origin: string, host: string | undefined, scheme: string | undefined): boolean {
    if (isLoopbackOrigin(origin) || this.#settings.allowedOrigins.has(origin)) return true;
    if (host === undefined || !URL.canParse(origin)) return false;
    const url = new URL(origin);
    if (url.origin !== origin || url.host !== host.toLowerCase()) return false;
    // Its own pages. The scheme is left out where a proxy may stand between that has not said it.
    return scheme === undefined || url.protocol === `${scheme}:`;
  }
}

/** How often a header is there, without making a list of all of them. */
function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at]!;
    if (header.length === name.length && header.toLowerCase() === name) count++;
  }
  return count;
}

/**
 * Browsers leave `Origin` out where a page of another site embeds something (an image, a script) or sends somebody here.
 * The page cannot read the answer, but has no business to cause one; a person who follows a link has.
 *
 * @throws Refusal
 */
function checkFetchSite({ method, headers }: IncomingMessage): void {
  const site = headers['sec-fetch-site'];
  if (site !== 'cross-site' && site !== 'same-site') return;
  const isLink =
    headers['sec-fetch-mode'] === 'navigate' && (method === 'GET' || method === 'HEAD');
  if (isLink) return;
  const message = `a page of another site (Sec-Fetch-Site: ${site}) may not embed or send to this one`;
  throw new Refusal(403, 'FORBIDDEN', message);
}

/** `[::1]:7400` is `::1`; undefined for what is no host. */
function hostNameOf(header: string): string | undefined {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:[\]/?#@]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}
