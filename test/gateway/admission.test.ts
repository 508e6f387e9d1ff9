import { once } from 'node:events';
import { IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Admission } from '../../src/gateway/admission.js';
import { checkSharedPort, parseGatewaySettings } from '../../src/gateway/settings.js';
import type { GatewayOptions } from '../../src/main/gateway-options.js';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

function verdict(
  headers: Record<string, string>,
  options: GatewayOptions = {},
  {
    address = '127.0.0.1',
    isLocalOnly = false,
    scheme,
  }: { address?: string; isLocalOnly?: boolean; scheme?: string } = {},
): string {
  const incoming = new IncomingMessage(new Socket());
  Object.assign(incoming.headers, headers);
  const peer = { address, host: headers.host, scheme };
  try {
    new Admission(parseGatewaySettings(options), isLocalOnly).checkRequest(incoming, peer);
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('the host that a request names', () => {
  it('must be this machine, an address, or an allowed host', () => {
    const options = { allowedHosts: ['events.example'], auth: { anonymous: {} }, host: 'my.host' };
    const taken = [
      'localhost',
      'LOCALHOST:7400',
      '127.0.0.1:7400',
      '[::1]:7400',
      '192.168.1.4',
      '[2001:db8::1]:443',
      'events.example',
      'Events.Example:443',
      'my.host:7400',
    ];
    for (const host of taken) expect(verdict({ host }, options), host).toBe('taken');
    const refused = [
      'evil.example',
      'events.example.evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'evil.example@localhost',
      'localhost:7400/x',
      'localhost:',
      '',
      'a b',
      '[evil]',
    ];
    for (const host of refused) expect(verdict({ host }, options), host).toBe('FORBIDDEN');
  });

  it('is checked for plain requests too, as a defence against DNS rebinding', async () => {
    const { port } = await openGateway();
    const sent = request({ port, host: '127.0.0.1', path: '/livez' });
    sent.setHeader('host', 'evil.example');
    sent.end();
    const [response] = await once(sent, 'response');
    response.resume();
    expect(response.statusCode).toBe(403);
    const client = new SocketClient(port, { headers: { host: 'evil.example' } });
    const [, refused] = await once(client.socket, 'unexpected-response');
    expect(refused.statusCode).toBe(403);
    client.socket.terminate();
  });
});

describe('the page that sends a request', () => {
  it('must be of the server, of this machine, or of an allowed origin', () => {
    const options = {
      allowedHosts: ['events.example'],
      allowedOrigins: ['https://app.example'],
    };
    const from = (origin: string) => verdict({ host: 'events.example:8443', origin }, options);
    for (const origin of [
      'https://events.example:8443',
      'http://localhost:5173',
      'https://app.example',
    ]) {
      expect(from(origin), origin).toBe('taken');
    }
    for (const origin of [
      'https://events.example',
      'https://events.example:8443.evil.example',
      'https://app.example:444',
      'http://app.example',
      'null',
      'file://',
      '',
    ]) {
      expect(from(origin), origin).toBe('FORBIDDEN');
    }
    // The page's origin has the name under which it called the server, but the server does not have that name.
    const rebound = { host: 'evil.example', origin: 'http://evil.example' };
    expect(verdict(rebound, options)).toBe('FORBIDDEN');
  });
});

describe('the allowed origins', () => {
  const from = (origin: string, ...allowedOrigins: string[]) =>
    verdict(
      { host: 'events.example', origin },
      { allowedOrigins, allowedHosts: ['events.example'] },
    );

  it('may be those of apps and extensions, which are compared as text', () => {
    const apps = [
      'capacitor://localhost',
      'ionic://localhost',
      'tauri://localhost',
      'https://tauri.localhost',
      'chrome-extension://abcdefghijklmnop',
      'moz-extension://1f2e3d4c-0000-4000-8000-abcdefabcdef',
      'null',
    ];
    for (const origin of apps) {
      expect(from(origin), origin).toBe('FORBIDDEN');
      expect(from(origin, origin), origin).toBe('taken');
    }
    expect(from('capacitor://localhost.evil', 'capacitor://localhost')).toBe('FORBIDDEN');
  });

  it('match a star with one label or more', () => {
    const allowed = ['https://*.app.example', 'http://*.lab.example:8080'];
    for (const origin of [
      'https://a.app.example',
      'https://a.b.app.example',
      'http://x.lab.example:8080',
    ]) {
      expect(from(origin, ...allowed), origin).toBe('taken');
    }
    for (const origin of [
      'https://app.example',
      'http://a.app.example',
      'https://a.app.example:444',
      'https://evilapp.example',
      'https://.app.example',
      'https://evil.example/.app.example',
      'https://evil.example?.app.example',
      'https://evil.example#.app.example',
      'https://evil@a.app.example',
      'https://evil.example:443.app.example',
      'https://a.app.example.evil.example',
    ]) {
      expect(from(origin, ...allowed), origin).toBe('FORBIDDEN');
    }
  });

  it.each([
    'https://*',
    'https://*.com',
    'https://a.*.example',
    '*',
    'file://x',
    'https://a.example/',
  ])('cannot be %s', (origin) => {
    expect(() => parseGatewaySettings({ allowedOrigins: [origin] })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });

  it('include the server’s own, under the scheme that a trusted proxy sent', () => {
    const headers = { host: 'events.example', origin: 'http://events.example' };
    const options = { allowedHosts: ['events.example'] };
    expect(verdict(headers, options)).toBe('taken');
    expect(verdict(headers, options, { scheme: 'http' })).toBe('taken');
    expect(verdict(headers, options, { scheme: 'https' })).toBe('FORBIDDEN');
  });
});

describe('a server without authentication that other machines can reach', () => {
  it('serves only clients on its own machine', () => {
    const mounted = { isLocalOnly: true };
    const headers = { host: 'localhost' };
    expect(verdict(headers, {}, { ...mounted, address: '192.168.1.9' })).toBe('FORBIDDEN');
    expect(verdict(headers, {}, { ...mounted, address: 'unknown' })).toBe('FORBIDDEN');
    for (const address of ['127.0.0.1', '127.8.8.8', '::1']) {
      expect(verdict(headers, {}, { ...mounted, address })).toBe('taken');
    }
  });
});

describe('connections from one address', () => {
  it('are refused above the rate', () => {
    const admission = new Admission(parseGatewaySettings({ maxConnectsPerSecond: 3 }), false);
    for (let i = 0; i < 3; i++) admission.enter('1.2.3.4', true).leave();
    expect(() => admission.enter('1.2.3.4', true)).toThrow(
      expect.objectContaining({ code: 'RATE_LIMITED', status: 429 }),
    );
    admission.enter('1.2.3.5', true).leave();
    expect(admission.size).toBe(0);
  });

  it('give their place back once, however often leave() is called', () => {
    const admission = new Admission(parseGatewaySettings({ maxConnectionsPerAddress: 2 }), false);
    const place = admission.enter('a', false);
    admission.enter('a', true);
    expect(() => admission.enter('a', true)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );
    place.identified();
    place.leave();
    place.leave();
    admission.enter('a', true);
    expect(admission.size).toBe(2);
  });
});

describe('the options', () => {
  it('are refused with the paths of all faults', () => {
    const options = {
      port: -1,
      stallMs: 'x',
      gateway: 2,
      compression: 1,
      tls: { certFile: '', other: 1 },
      allowedHosts: ['a.example:80'],
      allowedOrigins: ['https://a.example', 'b.example'],
      auth: { jwt: { secret: 'short', issuer: 'x' } },
    };
    let details: { faults: { path: string }[] } | undefined;
    try {
      parseGatewaySettings(options as object);
    } catch (error) {
      details = (error as { details: typeof details }).details;
    }
    const paths = details?.faults.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'port',
        'stallMs',
        'gateway',
        'compression',
        'tls.certFile',
        'tls.keyFile',
        'tls.other',
        'allowedHosts[0]',
        'allowedOrigins[1]',
        'auth.jwt.secret',
      ]),
    );
  });

  it('allow a host other than this machine only with authentication', () => {
    const auth = { anonymous: { subscribe: ['public.*'] } };
    expect(parseGatewaySettings({ host: '0.0.0.0', auth })).toMatchObject({
      host: '0.0.0.0',
      maxConnectsPerSecond: 100,
      maxFailedSignInsPerSecond: 100,
    });
    expect(parseGatewaySettings({}).maxConnectsPerSecond).toBe(0);
    expect(() => parseGatewaySettings({ host: '0.0.0.0' })).toThrow(
      expect.objectContaining({ code: 'INSECURE_BIND' }),
    );
  });

  it('allow several threads on a port only where Node supports it', () => {
    const faultOf = (version: string): string | undefined => {
      let found: string | undefined;
      checkSharedPort(version, (_path, fault) => {
        found = fault;
      });
      return found;
    };
    for (const version of ['20.19.0', '22.11.0', '23.0.0']) {
      expect(faultOf(version), version).toContain(`Node 22.12 or later`);
    }
    for (const version of ['22.12.0', '22.20.1', '23.1.0', '24.0.0', '25.3.0']) {
      expect(faultOf(version), version).toBeUndefined();
    }
  });
});
