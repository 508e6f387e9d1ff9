import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { WEBHOOK_NETWORKS_MAX } from '../../protocol/limits/webhook.js';
import type { OptionCheck } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';

/**
 * Which addresses a request may go to. Only addresses of the public internet may be called, except for networks that are
 * allowed by name: the url of a webhook often comes from a customer, who must not reach what only this machine can reach.
 * Pure; the ranges are IANA's, as `ipaddr.js` has them.
 */

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [address: Address, bits: number];

/** Names for networks. Both leave out link-local addresses, among which clouds answer with credentials. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/**
 * Where clouds answer with their machines' credentials or settings, outside of the link-local ranges. None of them is
 * reached because a wider network is allowed by its name.
 */
const METADATA = [
  // AWS over IPv6: the machine's (::254), those of its pods (::23), its names and its time.
  'fd00:ec2::/32',
  // Google, Oracle and Scaleway over IPv6.
  'fd20:ce::254/128',
  'fd00:c1::a9fe:a9fe/128',
  'fd00:42::42/128',
  // Azure (a public address), Alibaba, Oracle.
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
].map((text) => networkOf(text)!);

const PUBLIC_V6 = ipaddr.IPv6.parseCIDR('2000::/3');

export class AddressPolicy {
  readonly #named: readonly Network[];
  readonly #networks: readonly Network[];

  /** `allowed`: each is one that `networksFault` accepts. */
  constructor(allowed: readonly string[] = []) {
    this.#named = allowed.flatMap((entry) => (NAMED[entry] ?? []).map((text) => networkOf(text)!));
    this.#networks = allowed.map(networkOf).filter((network) => network !== undefined);
  }

  /** Why a request must not go to the address, such as `a loopback address`, or `undefined`. */
  fault(text: string): string | undefined {
    // An address of one link alone, such as fe80::1%eth0.
    if (text.includes('%')) return WORDS.linkLocal;
    const plain = plainText(text);
    if (!ipaddr.isValid(plain)) return 'no address';
    const address = ipaddr.parse(plain);
    if (isWithin(address, this.#networks)) return undefined;
    const inner = embedded(address);
    if (inner !== undefined) return this.fault(inner.toString());
    if (isWithin(address, METADATA)) return "a cloud's address of settings";
    if (isWithin(address, this.#named)) return undefined;
    return rangeFault(address);
  }
}

/**
 * An IPv6 address without dots. The library takes `::127.0.0.1`, as the system writes `::7f00:1`, for the IPv4-mapped
 * `::ffff:127.0.0.1`, and would judge another address than the one that is called.
 */
function plainText(text: string): string {
  if (!text.includes(':') || !text.includes('.') || !isIPv6(text)) return text;
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** The check of the option `allow`. */
export const networksFault: OptionCheck = (value) => {
  if (!Array.isArray(value)) return `has to be an array of networks, not ${quote(value)}`;
  if (value.length > WEBHOOK_NETWORKS_MAX) {
    return `has ${value.length} networks; ${WEBHOOK_NETWORKS_MAX} is the limit`;
  }
  const wrong = value.find((entry) => !isNetwork(entry));
  if (wrong === undefined) return undefined;
  return `${quote(wrong)} is no address, no network such as 10.1.0.0/16, and not loopback or private`;
};

function isNetwork(entry: unknown): boolean {
  return (
    typeof entry === 'string' && (Object.hasOwn(NAMED, entry) || networkOf(entry) !== undefined)
  );
}

/** Of an address or a network in its usual spelling: `127.1` and `0x7f.0.0.1` are none. */
function networkOf(text: string): Network | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const isPlain = address.includes(':') ? isHex(address) : isFourParts(address);
  if (!isPlain || rest.length > 0) return undefined;
  if (bits !== undefined) return ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined;
  const one = ipaddr.parse(address);
  return [one, one.kind() === 'ipv4' ? 32 : 128];
}

/** Without dots, see `plainText`. */
function isHex(text: string): boolean {
  return !text.includes('.') && !text.includes('%') && ipaddr.IPv6.isValid(text);
}

function isFourParts(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}

function isWithin(address: Address, networks: readonly Network[]): boolean {
  return networks.some(
    ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
  );
}

/**
 * The IPv4 address that is reached by an IPv6 one: of an IPv4-mapped address, and of one of the well-known prefix of NAT64,
 * by which a network without IPv4 reaches all of it.
 */
function embedded(address: Address): ipaddr.IPv4 | undefined {
  if (address.kind() === 'ipv4') return undefined;
  const v6 = address as ipaddr.IPv6;
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address();
  // 64:ff9b:1::/48, for local use, is in the same range of the library: where it leads, only its network knows.
  if (v6.range() !== 'rfc6052' || v6.parts[2] !== 0) return undefined;
  return new ipaddr.IPv4(v6.toByteArray().slice(12));
}

const WORDS: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'a loopback address',
  private: 'a private address',
  linkLocal: 'a link-local address',
  uniqueLocal: 'a private address',
  deprecatedSiteLocal: 'a private address',
  carrierGradeNat: "an address behind a carrier's NAT",
  multicast: 'a multicast address',
  broadcast: 'a broadcast address',
  '6to4': 'a 6to4 address',
  teredo: 'a Teredo address',
};

function rangeFault(address: Address): string | undefined {
  const range: string = address.range();
  if (range !== 'unicast') return WORDS[range] ?? 'a reserved address';
  // For the library everything is unicast that no list names; so far only 2000::/3 is given out.
  if (address.kind() === 'ipv4' || address.match(PUBLIC_V6)) return undefined;
  return 'a reserved address';
}
