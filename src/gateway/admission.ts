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
 * Decides whether a client may connect, before the client authenticates: by the host name that it calls, by the page
 * that a browser comes from, and by the number and rate of connections. A gateway has one; one thread uses it.
 */

/** One connection's place among all of them. */
export interface Place {
  readonly address: string;
  /** The client has authenticated: the connection no longer counts as unauthenticated. Idempotent. */
  identified(): void;
  /** Gives the place back. Idempotent. */
  leave(): void;
}

export class Admission {
  readonly #settings: GatewaySettings;
  readonly #isLocalOnly: boolean;
  readonly #byNetwork = new Map<string, { open: number; unidentified: number }>();
  readonly #rates: AddressRates;
  #open = 0;
  #unidentified = 0;

  /** `isLocalOnly`: clients of other machines are refused. */
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
   * Checks the headers and the origin of a request or an upgrade before a door sees it.
   *
   * @throws Refusal where the request has more than one Host, or its address, host or origin is not allowed
   */
  checkRequest(request: IncomingMessage, { address, host, scheme }: Peer): void {
    if (this.#isLocalOnly) this.#checkLocal(request, address);
    const { origin } = request.headers;
    // Node keeps the first Host; a proxy in front may have judged by the other one.
    if (countOf(request, 'host') > 1) {
      throw new Refusal(400, 'MESSAGE_INVALID', 'the request has more than one Host');
    }
    if (origin === undefined) checkFetchSite(request);
    // DNS rebinding: a page of another site can let its own name resolve to this machine, but its Host header has that
    // name.
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
    // `address`, which was found to be local, is then that of the proxy's client.
    if (isProxyTrusted && forwardedFor) return;
    // Through an untrusted proxy on this machine, clients of other machines would look local.
    const message =
      'the request came through a proxy that is not trusted, or does not say for whom (X-Forwarded-For), ' +
      'and no authentication is configured; see the options auth and trustedProxies';
    throw new Refusal(403, 'FORBIDDEN', message);
  }

  /**
   * Takes a place for a connection. `isIdentified`: the client has authenticated, or will have before the upgrade.
   *
   * @throws Refusal where there are too many connections, or they come too fast
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
    // DNS rebinding needs a name: nobody can let a literal address resolve to another machine.
    if (isIP(name) !== 0 || isLoopbackHost(name)) return true;
    return name === host.toLowerCase() || allowedHosts.has(name);
  }

  /** A browser says which page a connection comes from; other clients say nothing. */
  #isOriginAllowed(origin: string, host: string | undefined, scheme: string | undefined): boolean {
    if (isLoopbackOrigin(origin) || this.#settings.allowedOrigins.has(origin)) return true;
    if (host === undefined || !URL.canParse(origin)) return false;
    const url = new URL(origin);
    if (url.origin !== origin || url.host !== host.toLowerCase()) return false;
    // The server's own pages. The scheme is unknown where a proxy may stand in between that did not send it.
    return scheme === undefined || url.protocol === `${scheme}:`;
  }
}

/** Counts the occurrences of a header without building a list of all headers. */
function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at]!;
    if (header.length === name.length && header.toLowerCase() === name) count++;
  }
  return count;
}

/**
 * Browsers leave `Origin` out where a page of another site embeds a resource (an image, a script) or links here. The
 * page cannot read the answer of an embedded request, but must not cause one either. A link that a person follows is
 * allowed.
 *
 * @throws Refusal where a page of another site embeds the request
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

/** The host name of a `Host` header: `::1` for `[::1]:7400`; undefined where the header is malformed. */
function hostNameOf(header: string): string | undefined {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:[\]/?#@]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}
