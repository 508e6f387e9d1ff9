import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { BusOptions } from '../../../src/main/bus.js';
import { ensureConsumerStream } from '../../../src/store/nats/consumers/consumer-stream.js';
import { NatsLink } from '../../../src/store/nats/nats-link.js';
import type { NatsStoreOptions } from '../../../src/store/nats/nats-options.js';
import { natsSettings } from '../../../src/store/nats/nats-options.js';
import { refused } from '../../bus/support/failures.js';
import { openBus } from '../../bus/support/millrace.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { makeCertificate } from '../../gateway/support/certificates.js';
import { neededCommand } from '../../support/needed-command.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, type NatsServerOptions, natsServerPath } from './support/server.js';

const openssl = neededCommand('openssl', 'a store on NATS over TLS');
const NKEY_SEED = 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY';

async function started(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await NatsServer.start(options);
  onTestFinished(() => server.dispose());
  return server;
}

async function openOn(options: NatsStoreOptions, bus: Omit<BusOptions, 'dir'> = {}) {
  const opened = await openBus({ ...bus, store: natsStore(options) });
  onTestFinished(() => opened.close());
  return opened;
}

describe.runIf(natsServerPath !== undefined)('a store on NATS', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start({ config: 'max_payload: 4096' });
  });
  afterAll(() => server.dispose());

  /** Makes a stream as somebody else might. */
  async function made(config: Partial<StreamConfig> & { name: string }): Promise<void> {
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add(config);
    await connection.close();
  }

  test('says which server it cannot reach', async () => {
    const gone = await started();
    await gone.kill();
    await refused(
      () => openOn({ servers: gone.url }),
      'STORE_FAILED',
      `servers: none of ${gone.url}`,
    );
  });

  test('says which stream beside the events has fewer replicas than they have', async () => {
    // As of a cluster in which only the streams of events were changed: one server takes no stream with more replicas.
    const settings = natsSettings({ servers: server.url, prefix: newPrefix() });
    const link = await NatsLink.open(settings, 'a test', false);
    onTestFinished(() => link.close());
    await ensureConsumerStream(link, settings, 1);
    await refused(
      () => ensureConsumerStream(link, settings, 3),
      'OPTION_INVALID',
      `stream ${settings.prefix}-consumers does not fit: num_replicas is 1, and the events have 3: change it (nats stream edit`,
    );
  });

  test('says that a server refuses its credentials, and which setting has them', async () => {
    const { url } = await started({ config: 'authorization { user: "u", password: "p" }' });
    const wrong = [
      undefined,
      { token: 'guessed' },
      { user: 'u', password: 'guessed' },
      { nkeySeed: NKEY_SEED },
    ];
    for (const credentials of wrong) {
      const options = { servers: url, ...(credentials === undefined ? {} : { credentials }) };
      await refused(() => openOn(options), 'OPTION_INVALID', 'credentials: the server at');
    }
    await openOn({ servers: url, credentials: { user: 'u', password: 'p' } });
  });

  test('says that credentials are malformed', async () => {
    for (const credentials of [{ nkeySeed: 'SU-no-seed' }, { creds: 'no creds' }]) {
      const open = () => openOn({ servers: server.url, credentials });
      await refused(open, 'OPTION_INVALID', 'credentials: are malformed');
    }
    const credentials = { credsFile: '/nowhere/user.creds' };
    const open = async () => openOn({ servers: server.url, credentials });
    await refused(open, 'OPTION_INVALID', 'credentials.credsFile');
  });

  test.runIf(openssl !== undefined)(
    'says that TLS fails, and opens with the right authority',
    async () => {
      const { cert, key } = makeCertificate(temporaryDirectory(), 'localhost');
      const { port } = await started({
        config: `tls { cert_file: "${cert}", key_file: "${key}" }`,
      });
      const servers = `localhost:${port}`;
      await refused(() => openOn({ servers }), 'OPTION_INVALID', 'tls: no TLS with');
      await openOn({ servers, tls: { ca: readFileSync(cert, 'utf8') } });
    },
  );

  test('says that a server has no JetStream', async () => {
    const { url } = await started({ isPlain: true });
    await refused(() => openOn({ servers: url }), 'OPTION_INVALID', 'start it with -js');
  });

  test('says which permission is missing', async () => {
    const user = 'user: "u", password: "p", permissions: { publish: { deny: "$JS.API.STREAM.>" } }';
    const { url } = await started({ config: `authorization { users: [{ ${user} }] }` });
    const open = () => openOn({ servers: url, credentials: { user: 'u', password: 'p' } });
    await refused(
      open,
      'OPTION_INVALID',
      'lacks a permission (Permissions Violation for Publish to',
    );
  });

  test('says that a server is too old', async () => {
    const old = createServer((socket) => {
      const info = {
        server_id: 'x',
        version: '2.8.4',
        host: 'h',
        port: 1,
        max_payload: 1,
        proto: 1,
      };
      socket.write(`INFO ${JSON.stringify({ ...info, headers: true })}\r\n`);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        if (bytes.includes('PING')) socket.write('PONG\r\n');
      });
    });
    old.listen(0, '127.0.0.1');
    await once(old, 'listening');
    onTestFinished(() => void old.close());
    const servers = `127.0.0.1:${(old.address() as AddressInfo).port}`;
    await refused(
      () => openOn({ servers }),
      'OPTION_INVALID',
      'runs nats-server 2.8.4: it has to be 2.9.0',
    );
  });

  test('says which stream is missing if it may make none', async () => {
    const prefix = newPrefix();
    const open = () => openOn({ servers: server.url, prefix, create: false });
    await refused(open, 'OPTION_INVALID', `create: stream KV_${prefix} is missing`);
    const bus = await openOn({ servers: server.url, prefix, shards: 2 });
    await bus.close();
    await openOn({ servers: server.url, prefix, create: false });
    await refused(
      () => openOn({ servers: server.url, prefix, shards: 3 }),
      'SHARD_COUNT_MISMATCH',
      `the store ${prefix} on NATS has 2 shards, not 3`,
    );
  });

  test.each<[string, Partial<StreamConfig>, Omit<NatsStoreOptions, 'servers'>]>([
    ['subjects is', { subjects: ['elsewhere.PREFIX'] }, {}],
    ['retention is workqueue', { retention: 'workqueue' }, {}],
    ['no_ack is true', { no_ack: true }, {}],
    ['allow_direct is false', { allow_direct: false }, {}],
    ['duplicate_window is 10000 ms', { duplicate_window: 10e9 }, {}],
    ['duplicate_window is 120000 ms', {}, { dedupeWindowMs: 180_000 }],
    ['storage is memory, and storage asks for file', { storage: 'memory' }, { storage: 'file' }],
    ['max_bytes is -1, and maxBytes asks for 1000000', {}, { maxBytes: 1_000_000 }],
    ['max_age is 150000, and maxAgeMs asks for 180000', { max_age: 150e9 }, { maxAgeMs: 180_000 }],
    ['num_replicas is 1, and replicas asks for 3', {}, { replicas: 3 }],
  ])('says that a stream does not fit: %s', async (fault, config, options) => {
    const prefix = newPrefix();
    const subjects = config.subjects?.map((subject) => subject.replace('PREFIX', prefix));
    await made({
      name: `${prefix}-0`,
      allow_direct: true,
      duplicate_window: 120e9,
      ...config,
      subjects: subjects ?? [`${prefix}.0.>`],
    });
    await made({ name: `KV_${prefix}`, subjects: [`$KV.${prefix}.>`], allow_direct: true });
    const open = () => openOn({ servers: server.url, prefix, ...options, shards: 1 });
    await refused(open, 'OPTION_INVALID', `stream ${prefix}-0 does not fit: ${fault}`);
  });

  test('says that the cluster has too few servers for the replicas asked for', async () => {
    const open = () => openOn({ servers: server.url, prefix: newPrefix(), replicas: 3 });
    await refused(open, 'OPTION_INVALID', 'replicas');
  });

  test('says that another stream has its subjects', async () => {
    const prefix = newPrefix();
    await made({ name: `other-${prefix}`, subjects: [`${prefix}.>`] });
    const open = () => openOn({ servers: server.url, prefix });
    await refused(open, 'OPTION_INVALID', 'take another prefix');
  });

  test('refuses an event that is too large for the server, and takes those beside it', async () => {
    const bus = await openOn({ servers: server.url, prefix: newPrefix() });
    const event = (payload: string) => ({ topic: 'a', type: 't', payload });
    const [first, large, last] = await Promise.allSettled([
      bus.publish(event('x')),
      bus.publish(event('x'.repeat(4096))),
      bus.publish(event('y')),
    ]);
    expect(first).toMatchObject({ value: { sequence: 1 } });
    expect(large).toMatchObject({
      reason: { code: 'PAYLOAD_TOO_LARGE', details: { setting: 'max_payload', limit: 4096 } },
    });
    expect(last).toMatchObject({ value: { sequence: 2 } });
  });

  test('refuses what a full stream has no room for, and knows repeats all the same', async () => {
    const bus = await openOn({
      servers: server.url,
      prefix: newPrefix(),
      maxEvents: 2,
      discard: 'new',
    });
    const event = { topic: 'a', type: 't', payload: 1 };
    const named = { ...event, id: 'named' };
    await bus.publish(named);
    await bus.publish(event);
    await refused(() => bus.publish(event), 'STORE_FULL', 'maximum messages');
    expect(await bus.publish(named)).toMatchObject({ sequence: 1, duplicate: true });
  });
});

describe('the options of a store on NATS', () => {
  test.each<[unknown, string]>([
    [{}, 'servers: is missing'],
    [{ servers: [] }, 'servers: has to be text or a list'],
    [{ servers: 'https://host' }, 'servers: "https://host" is no server'],
    [{ servers: 'a', prefix: 'a.b' }, 'prefix: has to be'],
    [{ servers: 'a', replicas: 6 }, 'replicas: has to be a whole number from 1 to 5, not 6'],
    [{ servers: 'a', credentials: { token: '' } }, 'credentials: has to be one of'],
    [
      { servers: 'a', credentials: { user: 'u', token: 'secret' } },
      'credentials: has to be one of',
    ],
    [{ servers: 'a', tls: { cert: 'x' } }, 'tls: needs both cert and key'],
    [{ servers: 'a', dedupeWindowMs: 1000 }, 'dedupeWindowMs: has to be'],
    [{ servers: 'a', maxAgeMs: 60_000 }, 'maxAgeMs: has to be at least dedupeWindowMs, 120000'],
    [{ servers: 'a', discard: 'none' }, 'discard: has to be one of old, new'],
    [{ servers: 'a', server: 'a' }, 'server: is unknown'],
  ])('%j: %s', async (options, fault) => {
    const open = async () => natsStore(options as NatsStoreOptions);
    await refused(open, 'OPTION_INVALID', fault);
    const shown = await open().catch((error: Error) => error.message);
    expect(shown).not.toContain('secret');
  });
});
