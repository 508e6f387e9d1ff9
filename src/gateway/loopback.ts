import { isIPv4 } from 'node:net';

/** Which hosts and origins are this machine, judged by their names alone, without DNS. */

/** True for 127.0.0.0/8, ::1 (with or without brackets) and localhost. */
export function isLoopbackHost(host: string): boolean {
  const lower = host.toLowerCase();
  if (lower === 'localhost' || lower === '::1' || lower === '[::1]') return true;
  return isIPv4(lower) && lower.startsWith('127.');
}

/** Whether a peer with this address, as `normaliseAddress` returns it, is on this machine. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/**
 * Whether a page of this origin was served by this machine. The origin `null` (a file, a sandboxed frame) was not.
 */
export function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && isLoopbackHost(hostname);
}

/** Gives each address one spelling: an IPv4 address on an IPv6 socket loses its `::ffff:`. */
export function normaliseAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
