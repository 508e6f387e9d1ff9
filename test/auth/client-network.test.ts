import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientNetwork } from '../../src/auth/client-network.js';
import { GrantedPrincipal } from '../../src/auth/granted-principal.js';
import { RateLimiter } from '../../src/auth/rate-limiter.js';
import { AddressRates } from '../../src/gateway/budget/address-rates.js';

const group = fc.integer({ min: 0, max: 0xffff });
const groups = (length: number) => fc.array(group, { minLength: length, maxLength: length });

/** All texts of an address: with the zeros at one place left out, or none, in either case. */
function textsOf(address: readonly number[]): string[] {
  const hex = address.map((value) => value.toString(16));
  const texts = [hex.join(':')];
  for (let from = 0; from < 8; from++) {
    for (let to = from; to < 8 && address[to] === 0; to++) {
      texts.push(`${hex.slice(0, from).join(':')}::${hex.slice(to + 1).join(':')}`);
    }
  }
  return texts.flatMap((text) => [text, text.toUpperCase()]);
}

describe('the network of an address', () => {
  it('is the same for all addresses of a /64, however they are written', () => {
    const sparse = fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(sparse, groups(4), (address, host) => {
        fc.pre((address[0]! & 0xffc0) !== 0xfe80);
        const network = clientNetwork(address.map((value) => value.toString(16)).join(':'));
        const other = [...address.slice(0, 4), ...host];
        for (const text of [...textsOf(address), ...textsOf(other)]) {
          expect(clientNetwork(text), text).toBe(network);
        }
      }),
    );
  });

  it('is a /64 also if a later group reads like the beginning of a link-local address', () => {
    expect(clientNetwork('2001:db8:fe80::1')).toBe('2001:db8:fe80:0::/64');
    expect(clientNetwork('FE80::1')).toBe('FE80::1');
  });

  it('differs if the first 64 bits differ', () => {
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (one, other, host) => {
        fc.pre(one.join() !== other.join());
        fc.pre((one[0]! & 0xffc0) !== 0xfe80 && (other[0]! & 0xffc0) !== 0xfe80);
        const network = (first: number[]) =>
          clientNetwork([...first, ...host].map((value) => value.toString(16)).join(':'));
        expect(network(one)).not.toBe(network(other));
      }),
    );
  });

  it.each([
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
    ['1::2:3:4:5:192.0.2.1', '1:0:2:3::/64'],
    ['2001:db8::1%eth0', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['192.0.2.1', '192.0.2.1'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });
});

describe('a host that connects from a new IPv6 address each time', () => {
  const addresses = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2::3'];

  it('has a single rate', () => {
    const rates = new AddressRates(2);
    expect(addresses.map((address) => rates.take(address) > 0)).toEqual([false, false, true]);
    expect(rates.waitMs('2001:db8:1:2::4')).toBeGreaterThan(0);
    expect(rates.take('2001:db8:1:3::1')).toBe(0);
  });

  it('has a single rate on a server that needs no token', () => {
    const who = { id: 'anonymous', name: 'anonymous', isAnonymous: true };
    const anonymous = new GrantedPrincipal(who, { rates: { publishPerSecond: 2 } });
    const limiter = new RateLimiter({ now: () => 0 });
    const publish = (address: string) => limiter.requests(anonymous, address).publish(1);
    publish(addresses[0]!);
    publish(addresses[1]!);
    expect(() => publish(addresses[2]!)).toThrow('2 per second is the limit');
    publish('2001:db8:1:3::1');
  });
});
