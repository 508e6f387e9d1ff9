import { describe, expect, it } from 'vitest';
import { AddressPolicy, networksFault } from '../../../src/sinks/webhook/addresses.js';

const policy = new AddressPolicy();

describe('an address that a webhook may call', () => {
  it.each([
    '93.184.215.14',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '192.169.0.1',
    '100.128.0.1',
  ])('is public: %s', (address) => expect(policy.fault(address)).toBeUndefined());

  it.each([
    '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
    '2a00:1450:4001:800::200e',
    '64:ff9b::101:101',
  ])('is public: %s', (address) => expect(policy.fault(address)).toBeUndefined());

  it.each([
    ['0.0.0.0', /unspecified/],
    ['0.1.2.3', /unspecified/],
    ['127.0.0.1', /loopback/],
    ['127.255.255.255', /loopback/],
    ['10.0.0.1', /private/],
    ['172.16.0.1', /private/],
    ['172.31.255.255', /private/],
    ['192.168.1.1', /private/],
    ['100.64.0.1', /carrier/],
    ['100.127.255.255', /carrier/],
    ['169.254.0.1', /link-local/],
    ['169.254.169.254', /link-local/],
    ['224.0.0.1', /multicast/],
    ['255.255.255.255', /broadcast/],
    ['240.0.0.1', /reserved/],
    ['192.0.0.1', /reserved/],
    ['192.0.2.1', /reserved/],
    ['198.18.0.1', /reserved/],
    ['198.51.100.1', /reserved/],
    ['203.0.113.1', /reserved/],
    ['168.63.129.16', /cloud/],
    ['192.88.99.1', /reserved/],
    ['::ffff:0:7f00:1', /reserved/],
    ['2001:20::1', /reserved/],
    ['3fff::1', /reserved/],
    ['fd00:ec2::23', /cloud/],
    ['fd20:ce::254', /cloud/],
    ['fd00:c1::a9fe:a9fe', /cloud/],
    ['fd00:42::42', /cloud/],
    ['100.100.100.200', /cloud/],
    ['::', /unspecified/],
    ['::1', /loopback/],
    ['::127.0.0.1', /reserved/],
    ['::93.184.215.14', /reserved/],
    ['fe80::1', /link-local/],
    ['fe80::1%eth0', /link-local/],
    ['2606:4700::1%eth0', /link-local/],
    ['fec0::1', /private/],
    ['fc00::1', /private/],
    ['fd12:3456::1', /private/],
    ['fd00:ec2::254', /cloud/],
    ['ff02::1', /multicast/],
    ['::ffff:127.0.0.1', /loopback/],
    ['::ffff:7f00:1', /loopback/],
    ['::ffff:10.0.0.1', /private/],
    ['::ffff:169.254.169.254', /link-local/],
    ['64:ff9b::7f00:1', /loopback/],
    ['64:ff9b::a9fe:a9fe', /link-local/],
    ['64:ff9b::a00:1', /private/],
    ['64:ff9b:1::1', /reserved/],
    ['2002:7f00:1::', /6to4/],
    ['2002:5db8:d70e::', /6to4/],
    ['2001::1', /Teredo/],
    ['2001:db8::1', /reserved/],
    ['4000::1', /reserved/],
    ['5f00::1', /reserved/],
    ['100::1', /reserved/],
    ['example.com', /no address/],
    ['', /no address/],
  ])('is not %s', (address, fault) => expect(policy.fault(address)).toMatch(fault));
});

describe('a network that is allowed', () => {
  it('is reached, and nothing beside it', () => {
    const inner = new AddressPolicy(['10.1.0.0/16', '192.168.7.7', 'fd12::/16']);
    const faults = ['10.1.2.3', '::ffff:10.1.2.3', '192.168.7.7', 'fd12::9'].map((one) =>
      inner.fault(one),
    );
    expect(faults).toEqual([undefined, undefined, undefined, undefined]);
    for (const other of ['10.2.0.1', '192.168.7.8', 'fd13::1', '127.0.0.1']) {
      expect(inner.fault(other), other).toBeDefined();
    }
  });

  it("is a name's, without the addresses at which clouds give credentials", () => {
    const named = new AddressPolicy(['private', 'loopback']);
    for (const one of ['10.9.9.9', '172.20.0.1', '192.168.0.1', 'fd00::1', '127.0.0.1', '::1']) {
      expect(named.fault(one), one).toBeUndefined();
    }
    for (const other of [
      '169.254.169.254',
      '::ffff:169.254.169.254',
      'fe80::a9fe:a9fe',
      'fd00:ec2::254',
      'fd00:ec2::23',
      'fd20:ce::254',
      'fd00:c1::a9fe:a9fe',
      'fd00:42::42',
      '0.0.0.0',
    ]) {
      expect(named.fault(other), other).toBeDefined();
    }
    expect(new AddressPolicy(['169.254.169.254/32']).fault('169.254.169.254')).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/8', true],
    ['10.1.2.3', true],
    ['fd00::/8', true],
    ['::1', true],
    ['private', true],
    ['loopback', true],
    ['localhost', false],
    ['::127.0.0.1', false],
    ['fe80::1%eth0', false],
    ['10.0.0.0/33', false],
    ['10.0.0.0/8/8', false],
    ['127.1', false],
    ['0x7f.0.0.1', false],
    ['constructor', false],
    ['', false],
    [7, false],
  ])('is written as %s: %s', (entry, isGood) => {
    expect(networksFault([entry]) === undefined).toBe(isGood);
  });
});
