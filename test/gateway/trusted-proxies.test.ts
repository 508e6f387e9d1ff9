import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isProxy, type Peer, TrustedProxies } from '../../src/gateway/trusted-proxies.js';
import { openGateway } from './support/open-gateway.js';

/** The client that a request comes from, through proxies. */

function peerOf(
  remoteAddress: string,
  headers: Record<string, string>,
  trusted: readonly string[] = [],
): Peer {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress });
  const request = new IncomingMessage(socket);
  Object.assign(request.headers, { host: 'inner:7400' }, headers);
  return new TrustedProxies(trusted).peerOf(request);
}

const FORWARDED = {
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-host': 'events.example',
  'x-forwarded-proto': 'https',
};

describe('a client without a trusted proxy', () => {
  it('has the address of its socket, whatever its headers claim', () => {
    const direct = { address: '198.51.100.9', host: 'inner:7400', scheme: undefined };
    expect(peerOf('198.51.100.9', FORWARDED)).toEqual(direct);
    expect(peerOf('198.51.100.9', FORWARDED, ['10.0.0.0/8'])).toEqual(direct);
    expect(peerOf('::ffff:198.51.100.9', FORWARDED, ['loopback'])).toEqual(direct);
  });
});

describe('a client behind trusted proxies', () => {
  const through = (forwarded: string, trusted = ['loopback', '10.0.0.0/8']) =>
    peerOf('127.0.0.1', { 'x-forwarded-for': forwarded }, trusted).address;

  it('has the rightmost address that is not a trusted proxy', () => {
    expect(through('203.0.113.7')).toBe('203.0.113.7');
    expect(through('203.0.113.7, 10.1.2.3')).toBe('203.0.113.7');
    expect(through('1.1.1.1, 203.0.113.7, 10.1.2.3')).toBe('203.0.113.7');
    expect(through('127.0.0.1, 203.0.113.7')).toBe('203.0.113.7');
    expect(through('10.9.9.9, 10.1.2.3')).toBe('10.9.9.9');
    expect(through('')).toBe('127.0.0.1');
  });

  it('is found in each form of the header that proxies write', () => {
    expect(through('203.0.113.7:51234')).toBe('203.0.113.7');
    expect(through('[2001:DB8::7]:443')).toBe('2001:db8::7');
    expect(through('::ffff:203.0.113.7')).toBe('203.0.113.7');
    expect(through('fe80::1%eth0')).toBe('fe80::1');
    expect(through('203.0.113.7, unknown')).toBe('unknown');
    expect(through('203.0.113.7, _hidden')).toBe('unknown');
  });

  it('called the host and scheme that the nearest trusted proxy sent', () => {
    const all = peerOf('10.0.0.2', FORWARDED, ['private']);
    expect(all).toEqual({ address: '203.0.113.7', host: 'events.example', scheme: 'https' });
    const forged = { ...FORWARDED, 'x-forwarded-host': 'evil.example, events.example' };
    expect(peerOf('10.0.0.2', forged, ['private']).host).toBe('events.example');
    const odd = { ...FORWARDED, 'x-forwarded-proto': 'javascript' };
    expect(peerOf('10.0.0.2', odd, ['private']).scheme).toBeUndefined();
  });

  it('cannot change its address by headers that it writes itself', () => {
    const word = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (written) => {
        const header = [...written, '203.0.113.7', '10.1.2.3'].join(', ');
        expect(through(header)).toBe('203.0.113.7');
      }),
    );
  });
});

describe('a trusted proxy', () => {
  it('is given as an address, a network, or the name of a group of networks', () => {
    for (const entry of ['10.0.0.1', '10.0.0.0/8', '::1', 'fc00::/7', 'loopback', 'private']) {
      expect(isProxy(entry), entry).toBe(true);
    }
    for (const entry of [
      '',
      '*',
      '10.0.0',
      '10.0.0.0/33',
      '10.0.0.0/8/8',
      '::/129',
      'my.proxy',
      7,
    ]) {
      expect(isProxy(entry), String(entry)).toBe(false);
    }
  });

  it('does not count as its clients: each client has limits of its own', async () => {
    const { port } = await openGateway({
      trustedProxies: ['loopback'],
      maxConnectionsPerAddress: 1,
      auth: { anonymous: { subscribe: ['*'] } },
    });
    const open = async (address: string) => {
      const controller = new AbortController();
      const response = await fetch(`http://127.0.0.1:${port}/v1/events/stream?topic=*`, {
        headers: { 'x-forwarded-for': address },
        signal: controller.signal,
      });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const { value } = await reader.read();
      return { text: value, leave: () => controller.abort() };
    };
    const first = await open('203.0.113.1');
    const second = await open('203.0.113.2');
    expect([first.text, second.text].join('')).not.toContain('LIMIT_EXCEEDED');
    expect((await open('203.0.113.1')).text).toContain('LIMIT_EXCEEDED');
    first.leave();
    second.leave();
  });
});

describe('a server without authentication', () => {
  it('refuses clients behind an untrusted proxy', async () => {
    const { port } = await openGateway();
    const get = (headers: Record<string, string>) =>
      fetch(`http://127.0.0.1:${port}/v1/topics`, { headers });
    expect((await get({})).status).toBe(200);
    const refused = await get({ 'x-forwarded-for': '203.0.113.7' });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('trustedProxies'),
    });
    expect((await get({ forwarded: 'for=203.0.113.7' })).status).toBe(403);
  });

  it('serves only its own machine through a trusted proxy', async () => {
    const { port } = await openGateway({ trustedProxies: ['loopback'] });
    const from = async (address: string) => {
      const headers = { 'x-forwarded-for': address };
      return (await fetch(`http://127.0.0.1:${port}/v1/topics`, { headers })).status;
    };
    expect(await from('127.0.0.1')).toBe(200);
    expect(await from('203.0.113.7')).toBe(403);
    expect(await from('127.0.0.1, 203.0.113.7')).toBe(403);
  });

  it('refuses clients behind an untrusted proxy, or one that does not name its client', async () => {
    const status = async (trusted: string, headers: Record<string, string>) => {
      const { port } = await openGateway({ trustedProxies: [trusted] });
      return (await fetch(`http://127.0.0.1:${port}/v1/topics`, { headers })).status;
    };
    expect(await status('10.0.0.0/8', {})).toBe(200);
    expect(await status('10.0.0.0/8', { 'x-forwarded-for': '127.0.0.1' })).toBe(403);
    expect(await status('10.0.0.0/8', { forwarded: 'for=203.0.113.7' })).toBe(403);
    expect(await status('loopback', { forwarded: 'for=203.0.113.7' })).toBe(403);
    expect(await status('loopback', { 'x-forwarded-for': '', forwarded: 'for=_x' })).toBe(403);
  });
});
