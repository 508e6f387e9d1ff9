import { isIP } from 'node:net';

/** The groups of an IPv6 address that name its network. */
const NETWORK_GROUPS = 4;
/** fe80::/10: all hosts of a link share these groups. */
const LINK_LOCAL = /^fe[89ab]/i;

/**
 * The key by which limits per address count. A host with IPv6 usually has 2^64 addresses to choose from (RFC 4291
 * section 2.5.1, RFC 6177), so an IPv6 address counts as its /64 network. IPv4 addresses, link-local addresses and
 * texts that are no address count as they are.
 *
 * @param address as `normaliseAddress` returns it
 */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6 || LINK_LOCAL.test(address)) return address;
  const [before = '', after] = address.split('::');
  const groups = groupsOf(before);
  if (after !== undefined) {
    const missing = 8 - groups.length - lengthOf(groupsOf(after));
    groups.push(...Array.from({ length: missing }, () => '0'), ...groupsOf(after));
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16));
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

/** The number of groups; an IPv4 address at the end counts as two. */
function lengthOf(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes('.') ? 1 : 0);
}
