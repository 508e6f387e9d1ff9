import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { normaliseAddress } from './loopback.js';

/**
 * Finds the client that a request comes from where proxies stand in between. Only entries that a trusted proxy wrote
 * are believed. Each proxy appends the address that it saw to `X-Forwarded-For`, so the client is the rightmost address
 * that is no trusted proxy; entries that the client wrote itself stand further left. A gateway has one; one thread uses
 * it.
 */
export interface Peer {
  /** As `normaliseAddress` returns it; `unknown` where a proxy gave none. */
  readonly address: string;
  /** The host that the client called: the nearest trusted proxy's `X-Forwarded-Host`, or the `Host` header. */
  readonly host: string | undefined;
  /** `http` or `https`; undefined where no trusted proxy sent it. */
  readonly scheme: string | undefined;
}

/** Names for networks that are often trusted. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '169.254.0.0/16',
    'fc00::/7',
    'fe80::/10',
  ],
};

export class TrustedProxies {
  readonly #trusted = new BlockList();

  /** `entries`: each is one for which `isProxy` is true. */
  constructor(entries: Iterable<string>) {
    const all = [...entries].flatMap((entry) => NAMED[entry] ?? [entry]);
    for (const entry of all) {
      const { address, bits } = parse(entry)!;
      this.#trusted.addSubnet(address, bits, familyOf(address));
    }
  }

  has(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, familyOf(address));
  }

  peerOf({ socket, headers }: IncomingMessage): Peer {
    const nearest = normaliseAddress(socket.remoteAddress);
    if (!this.has(nearest)) return { address: nearest, host: headers.host, scheme: undefined };
    const scheme = lastOf(headers['x-forwarded-proto'])?.toLowerCase();
    return {
      address: this.#clientOf(nearest, headers['x-forwarded-for']),
      host: lastOf(headers['x-forwarded-host']) ?? headers.host,
      scheme: scheme === 'http' || scheme === 'https' ? scheme : undefined,
    };
  }

  #clientOf(nearest: string, forwarded: string | string[] | undefined): string {
    const hops = String(forwarded ?? '').split(',');
    let client = nearest;
    for (let hop = hops.pop(); hop !== undefined && this.has(client); hop = hops.pop()) {
      if (hop.trim() === '') continue;
      client = addressOf(hop.trim());
    }
    return client;
  }
}

/**
 * Whether the option `trustedProxies` takes it: an address, a network such as `10.0.0.0/8`, `loopback` or `private`.
 */
export function isProxy(entry: unknown): entry is string {
  return typeof entry === 'string' && (Object.hasOwn(NAMED, entry) || parse(entry) !== undefined);
}

function parse(entry: string): { address: string; bits: number } | undefined {
  const [address = '', length, ...rest] = entry.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (most < 0 || rest.length > 0) return undefined;
  if (length === undefined) return { address, bits: most };
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  return bits >= 0 && bits <= most ? { address, bits } : undefined;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** The address in one entry. Some proxies append a port; some write a name or `unknown`, which become `unknown`. */
function addressOf(hop: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
  const address = normaliseAddress(bare.split('%')[0]);
  return isIP(address) === 0 ? 'unknown' : address.toLowerCase();
}

/** The last entry of a list, which the nearest proxy wrote. */
function lastOf(header: string | string[] | undefined): string | undefined {
  const last = String(header ?? '')
    .split(',')
    .pop()
    ?.trim();
  return last === '' ? undefined : last;
}
