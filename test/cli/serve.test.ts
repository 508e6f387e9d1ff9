import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { run, startServer, type TestServer, temporaryDirectory } from './support/command.js';

interface Welcome {
  readonly limits: { readonly subscriptions: number };
}

/** The welcome of a server, and the compression that it agreed to. */
async function welcomeOf(server: TestServer): Promise<Welcome & { extensions: string }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/events`, 'millrace.v1');
  try {
    const text = await new Promise<string>((resolve, reject) => {
      socket.once('message', (data) => resolve(String(data)));
      socket.once('error', reject);
    });
    const { payload } = JSON.parse(text) as { payload: Welcome };
    return { ...payload, extensions: socket.extensions };
  } finally {
    socket.terminate();
  }
}

function configFile(settings: object): string {
  const file = join(temporaryDirectory(), 'millrace.config.json');
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

describe('a setting of serve', () => {
  it('comes from its flag, else from the environment, else from the file, else from its default', async () => {
    const config = configFile({ maxSubscriptions: 11, compression: true, logLevel: 'warn' });
    const fromFile = ['--config', config];
    const env = { MILLRACE_MAX_SUBSCRIPTIONS: '12', MILLRACE_COMPRESSION: 'false' };
    const flags = ['--max-subscriptions', '13', '--compression'];
    const cases: readonly [args: string[], env: object, subscriptions: number, isOn: boolean][] = [
      [[], {}, 128, false],
      [fromFile, {}, 11, true],
      [fromFile, env, 12, false],
      [[...fromFile, ...flags], env, 13, true],
    ];
    for (const [args, variables, subscriptions, isOn] of cases) {
      // A warning is no line that says where it listens, so the level stays what a line needs.
      const level = ['--log-level', 'info'];
      const server = await startServer(undefined, [...args, ...level], { ...variables });
      const { limits, extensions } = await welcomeOf(server);
      expect(limits.subscriptions).toBe(subscriptions);
      expect(extensions !== '').toBe(isOn);
      await server.stop();
    }
  });

  it('that is a list may be repeated, or given as one text', async () => {
    const origins = ['https://a.example', 'https://b.example'];
    const flags = origins.flatMap((origin) => ['--allowed-origins', origin]);
    const ways: readonly [args: string[], env: Record<string, string>][] = [
      [flags, {}],
      [[], { MILLRACE_ALLOWED_ORIGINS: origins.join(',') }],
      [['--config', configFile({ allowedOrigins: origins })], {}],
    ];
    for (const [args, env] of ways) {
      const server = await startServer(undefined, args, env);
      for (const origin of [...origins, 'https://c.example']) {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}/events`, { origin });
        const isLetIn = await new Promise<boolean>((resolve) => {
          socket.once('open', () => resolve(true));
          socket.once('error', () => resolve(false));
        });
        socket.terminate();
        expect(isLetIn, origin).toBe(origins.includes(origin));
      }
      await server.stop();
    }
  });

  it('that is invalid is refused with every fault, before anything is opened', async () => {
    const config = configFile({ port: 'x', tls: { certFile: 'only' }, auth: {}, heartbeatMs: 0 });
    const dir = join(temporaryDirectory(), 'data');
    const { code, stdout, stderr } = await run(['serve', '--dir', dir, '--config', config]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const fault of [
      'port: is "x"',
      'tls.keyFile: is missing',
      'auth: ',
      'heartbeatMs: is 0',
    ]) {
      expect(stderr).toContain(fault);
    }
    const half = await run(['serve', '--dir', dir, '--port', '0', '--tls-cert-file', 'x.pem']);
    expect(half.code).toBe(2);
    expect(half.stderr).toContain('--tls-key-file');
    const env = { MILLRACE_COMPRESSION: 'perhaps' };
    expect((await run(['serve', '--dir', dir, '--port', '0'], { env })).code).toBe(2);
  });
});

describe('a serve that is refused', () => {
  it('leaves no new directory behind', async () => {
    const server = await startServer();
    const empty = temporaryDirectory();
    const dir = join(empty, 'data');
    const absent = join(empty, 'absent');
    const refused: readonly (readonly [args: string[], code: number, reason: RegExp])[] = [
      [['--host', '0.0.0.0'], 2, /INSECURE_BIND/],
      [['--port', String(server.port)], 1, /in use/],
      [['--port', '0', '--keys-file', absent], 2, /keysFile.*absent/],
      [['--port', '0', '--tls-cert-file', absent, '--tls-key-file', absent], 2, /certFile.*absent/],
      [['--port', '0', '--base-path', 'bus'], 2, /basePath/],
    ];
    for (const [args, code, reason] of refused) {
      const outcome = await run(['serve', '--dir', dir, ...args]);
      expect(outcome.stderr).toMatch(reason);
      expect(outcome.code, args.join(' ')).toBe(code);
      expect(readdirSync(empty)).toEqual([]);
    }
  });
});

describe('the log of serve', () => {
  const SECRET = 'hush-hush';

  /** The log of a server at a level while a client publishes, subscribes and disconnects. */
  async function logsAt(level: string): Promise<{ msg: string; level: string }[]> {
    const keys = join(temporaryDirectory(), 'keys.json');
    const grants = ['--publish', '*', '--subscribe', '*'];
    const made = await run(['token', 'key', '--name', 'ci', '--keys-file', keys, ...grants]);
    const env = { MILLRACE_TOKEN: made.stdout.trim() };
    const server = await startServer(undefined, ['--log-level', level, '--keys-file', keys]);
    const payload = JSON.stringify({ password: SECRET });
    expect((await server.run(['pub', 'a', payload], { env })).code).toBe(0);
    expect((await server.run(['sub', 'a', '--from', 'last:1', '--count', '1'], { env })).code).toBe(
      0,
    );
    expect((await server.run(['query', 'a'])).code).toBe(1);
    expect((await server.run(['query', 'a'], { env: { MILLRACE_TOKEN: 'wrong' } })).code).toBe(1);
    await server.stop();
    const all = JSON.stringify(server.logs);
    expect(all).not.toContain(SECRET);
    expect(all).not.toContain(env.MILLRACE_TOKEN);
    return server.logs;
  }

  it('lists connections at level info, and no frames', async () => {
    const logs = await logsAt('info');
    const messages = logs.map(({ msg }) => msg);
    expect(messages).toContain('connection closed');
    expect(logs).toContainEqual(
      expect.objectContaining({ msg: 'connection ended', code: 'UNAUTHENTICATED', level: 'info' }),
    );
    expect(messages.filter((msg) => msg.startsWith('frame'))).toEqual([]);
    expect(logs.find(({ msg }) => msg === 'connection authenticated')).toMatchObject({
      level: 'info',
      principal: 'ci',
    });
  });

  it('lists each frame at level debug, with its type and size', async () => {
    const frames = (await logsAt('debug')).filter(({ msg }) => msg.startsWith('frame'));
    expect(frames).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ msg: 'frame received', type: 'publish', level: 'debug' }),
        expect.objectContaining({ msg: 'frame sent', type: 'published' }),
        expect.objectContaining({ msg: 'frame received', type: 'subscribe', requestId: 1 }),
        expect.objectContaining({ msg: 'frame sent', type: 'events', bytes: expect.any(Number) }),
      ]),
    );
  });
});
