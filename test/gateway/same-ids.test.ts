import { SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { GatewayHandle } from '../../src/main/gateway-options.js';
import { gather } from '../bus/support/collector.js';
import { openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { SocketClient } from './support/socket-client.js';

/** Publishers that do not know each other use the same id, on a real bus behind a real gateway. */

const SECRET = 'a secret of at least thirty-two bytes';
const jwt = { secret: SECRET, issuer: 'test', audience: 'millrace' };
const handles: GatewayHandle[] = [];

afterEach(async () => {
  await Promise.all(handles.splice(0).map((handle) => handle.close()));
});

async function serve(bus: Bus, options = {}): Promise<GatewayHandle> {
  const handle = await bus.serve({ port: 0, ...options });
  handles.push(handle);
  return handle;
}

function token(name: string, topic: string): Promise<string> {
  return new SignJWT({ millrace: { publish: [topic], subscribe: [topic] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('test')
    .setAudience('millrace')
    .setSubject(name)
    .setExpirationTime('1m')
    .sign(new TextEncoder().encode(SECRET));
}

async function asPrincipal(gateway: GatewayHandle, name: string, topic: string) {
  const headers = { authorization: `Bearer ${await token(name, topic)}` };
  const client = new SocketClient(gateway.port, { headers });
  await client.next('welcome');
  return client;
}

describe('an id that two principals with disjoint grants publish', () => {
  it('names one event of each, and no ack shows that the other exists', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gateway = await serve(bus, { auth: { jwt } });
    const alice = await asPrincipal(gateway, 'alice', 'a.secret');
    const mallory = await asPrincipal(gateway, 'mallory', 'm.own');
    const event = (topic: string, id: string) => ({ topic, type: 'note', payload: topic, id });
    const publish = async (client: SocketClient, topic: string, id: string) =>
      (await client.ask('publish', { event: event(topic, id) })).payload.acks[0];
    const secret = await publish(alice, 'a.secret', 'order-1');
    const known = await publish(mallory, 'm.own', 'order-1');
    const unknown = await publish(mallory, 'm.own', 'order-2');
    expect(known).toEqual({ ...unknown, id: 'order-1', sequence: unknown.sequence - 1 });
    expect(known.sequence).not.toBe(secret.sequence);
    // An id that one principal has guessed and used before is still free for the other.
    expect(await publish(alice, 'a.secret', 'order-2')).toMatchObject({ duplicate: false });
    const stored = await gather(bus.read({ topic: '*' }));
    expect(stored.map(({ topic, id }) => `${topic} ${id}`)).toEqual([
      'a.secret order-1',
      'm.own order-1',
      'm.own order-2',
      'a.secret order-2',
    ]);
  });
});

describe('an id of two CloudEvents', () => {
  const post = async (gateway: GatewayHandle, source: string, mode: 'structured' | 'binary') => {
    const context = { specversion: '1.0', id: 'e-1', source, type: 'a.b', subject: 'ce.x' };
    const names = Object.entries(context).map(([name, value]) => [`ce-${name}`, value]);
    const [headers, body] =
      mode === 'binary'
        ? [{ 'content-type': 'application/json', ...Object.fromEntries(names) }, '1']
        : [{ 'content-type': 'application/cloudevents+json' }, JSON.stringify(context)];
    const response = await fetch(`${gateway.url}/v1/events`, { method: 'POST', headers, body });
    expect(response.status).toBe(200);
    return ((await response.json()) as object[])[0];
  };

  it('names one event of each source, and a repeat is a duplicate, after a restart too', async () => {
    const dir = temporaryDirectory();
    let bus = await openTestBus({ dir, shards: 1 });
    let gateway = await serve(bus);
    expect(await post(gateway, '/s', 'structured')).toMatchObject({ duplicate: false });
    expect(await post(gateway, '/t', 'binary')).toMatchObject({ duplicate: false });
    await bus.publish({ topic: 'ce.x', type: 'a_b', payload: 1, id: 'e-1', source: '/s' });
    await bus.close();
    bus = await openTestBus({ dir });
    gateway = await serve(bus);
    expect(await post(gateway, '/s', 'binary')).toMatchObject({ duplicate: true, sequence: 1 });
    expect(await post(gateway, '/t', 'structured')).toMatchObject({ duplicate: true, sequence: 2 });
    expect(await gather(bus.read({ topic: 'ce.*' }))).toHaveLength(3);
  });
});

describe('the welcome', () => {
  it('announces how long ids are remembered, and how far back they are in fact known', async () => {
    const bus = await openTestBus({ shards: 2, dedupeWindowMs: 60_000, dedupeIdsMax: 10 });
    const gateway = await serve(bus);
    const limits = async () => {
      const client = new SocketClient(gateway.port);
      return (await client.next('welcome')).payload.limits;
    };
    expect(await limits()).toMatchObject({ dedupeWindowMs: 60_000, dedupeReachMs: 60_000 });
    const ids = Array.from({ length: 100 }, (_, n) => `id-${n}`);
    await bus.publishMany(ids.map((id) => ({ topic: 'a', type: 'note', payload: 1, id })));
    let told = await limits();
    while (told.dedupeReachMs === 60_000) told = await limits();
    expect(told.dedupeReachMs).toBeLessThan(60_000);
  });
});
