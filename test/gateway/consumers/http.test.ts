import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { newKey } from '../../auth/support/auth.js';
import { gatewayHooks } from '../../bus/support/millrace.js';
import { until } from '../../bus/support/wait.js';
import { ask, publish, serve, serveMore, type Taken } from './support.js';

/** Durable consumers over HTTP. */

const WORKER = { filter: 'jobs.*', from: 'earliest' };

describe('a consumer over HTTP', () => {
  it('is worked by a shell script that has curl and nothing else', async () => {
    const { url } = await serve();
    const script = fileURLToPath(new URL('worker.sh', import.meta.url));
    const { stdout } = await promisify(execFile)('sh', [script, url]);
    expect(stdout).toBe('done\n');
  });

  it('gives events by their payloads as written, and takes many leases at once', async () => {
    const { bus, url } = await serve();
    const text = '{"topic":"jobs.a","type":"job","payload":{"big":9007199254740993}}';
    const headers = { 'content-type': 'application/json' };
    await fetch(`${url}/v1/events`, { method: 'POST', headers, body: text });
    await publish(bus, 3, 'jobs.b');
    const made = await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    expect(made).toMatchObject({ status: 201, body: { name: 'worker', paused: false } });
    expect(Date.parse(made.body.createdAt)).toBeGreaterThan(0);
    const taken: Taken[] = [];
    let texts = '';
    while (taken.length < 4) {
      const body = '{"max":10,"waitMs":30000}';
      const pulled = await fetch(`${url}/v1/consumers/worker/pull`, {
        method: 'POST',
        headers,
        body,
      });
      const text = await pulled.text();
      texts += text;
      taken.push(...JSON.parse(text));
    }
    expect(texts).toContain('"big":9007199254740993');
    expect(taken).toHaveLength(4);
    for (const { attempt, leaseMs } of taken) {
      expect(attempt).toBe(1);
      expect(leaseMs).toBeGreaterThan(0);
      expect(leaseMs).toBeLessThanOrEqual(30_000);
    }
    const leases = taken.map(({ lease }) => lease);
    const acked = await ask(url, 'POST', '/v1/consumers/worker/ack', {
      leases: [...leases, leases[0]!.replace(/\d+$/, '999')],
      durability: 'written',
    });
    expect(acked.status).toBe(200);
    expect(acked.body.results.slice(0, 4)).toEqual([{}, {}, {}, {}]);
    expect(acked.body.results[4]).toMatchObject({ code: 'LEASE_LOST' });
    const { body } = await ask(url, 'GET', '/v1/consumers/worker');
    expect(body).toMatchObject({ name: 'worker', acked: 4, inFlight: 0 });
    // The member by which the gateway settles takes no events, and is none for those who look.
    expect(body.members).toEqual([]);
  });

  it('loses a lease that runs out, and gives the event to the next who asks', async () => {
    const { bus, url } = await serve();
    await ask(url, 'PUT', '/v1/consumers/worker', { ...WORKER, leaseMs: 100, backoffMs: [0] });
    await publish(bus, 1);
    const [first] = (await ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 })).body;
    const [second] = (await ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 })).body;
    expect(second).toMatchObject({ attempt: 2, event: { id: first.event.id } });
    const late = await ask(url, 'POST', '/v1/consumers/worker/ack', { lease: first.lease });
    expect(late).toMatchObject({ status: 409, body: { code: 'LEASE_LOST' } });
  });

  it('settles at any gateway what another one has handed out', async () => {
    const { bus, url } = await serve();
    const { url: other } = await serveMore(bus);
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    await publish(bus, 2);
    // A pull may answer with fewer events than it asks for.
    const pull = async () =>
      (await ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 })).body[0].lease;
    const [ack, hand] = [await pull(), await pull()];
    const acked = await ask(other, 'POST', '/v1/consumers/worker/ack', { lease: ack });
    expect(acked).toEqual({ status: 200, body: { results: [{}] } });
    const extended = await ask(other, 'POST', '/v1/consumers/worker/working', { lease: hand });
    expect(extended.body.results[0].leaseMs).toBeGreaterThan(0);
    const back = await ask(other, 'POST', '/v1/consumers/worker/nak', {
      lease: hand,
      count: false,
    });
    expect(back.status).toBe(200);
    const again = await ask(other, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 });
    expect(again.body).toMatchObject([{ attempt: 1 }]);
    const late = await ask(url, 'POST', '/v1/consumers/worker/ack', { lease: ack });
    expect(late.status).toBe(409);
  });

  it('keeps the leases of pulls when the gateway’s thread is killed', async () => {
    const { bus, url } = await serve();
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    await publish(bus, 1);
    const [taken] = (await ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 })).body;
    const handle = await bus.serve({ port: 0 });
    const [held] = [await ask(handle.url, 'POST', '/v1/consumers/worker/pull')].map(
      ({ body }) => body,
    );
    expect(held).toEqual([]);
    await gatewayHooks(handle).hurt('kill');
    await until('its thread is replaced', () => handle.restarts > 0, 60_000);
    await until('it listens', async () =>
      (await bus.stats()).gateways.every(({ state }) => state === 'listening'),
    );
    const acked = await ask(handle.url, 'POST', '/v1/consumers/worker/ack', {
      lease: taken.lease,
    });
    expect(acked).toEqual({ status: 200, body: { results: [{}] } });
  });

  it('ends a pull that waits when its client goes, and leases it nothing', async () => {
    const { bus, url } = await serve();
    await ask(url, 'PUT', '/v1/consumers/worker', { ...WORKER, maxAttempts: 1 });
    const gone = new AbortController();
    const { signal } = gone;
    const waiting = ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 }, { signal });
    waiting.catch(() => {});
    const members = async () => (await ask(url, 'GET', '/v1/consumers/worker')).body.members;
    await until('the pull waits', async () => (await members()).length === 1);
    expect(await members()).toMatchObject([{ isDetached: true, principal: 'anonymous' }]);
    gone.abort();
    await until('its member has left', async () => (await members()).length === 0);
    await publish(bus, 1);
    const { body } = await ask(url, 'POST', '/v1/consumers/worker/pull', { waitMs: 30_000 });
    expect(body).toMatchObject([{ attempt: 1 }]);
  });

  it('is directed: paused, resumed, moved, skipped in, redriven, looked into', async () => {
    const { bus, url } = await serve();
    const path = '/v1/consumers/worker';
    await ask(url, 'PUT', path, { ...WORKER, maxAttempts: 1 });
    await publish(bus, 3);
    const [one] = (await ask(url, 'POST', `${path}/pull`, { waitMs: 30_000 })).body;
    await ask(url, 'POST', `${path}/term`, { lease: one.lease, reason: 'broken' });
    const dead = await ask(url, 'GET', `${path}/dead?limit=10`);
    expect(dead.body.events).toMatchObject([{ id: one.event.id, cause: 'term', reason: 'broken' }]);
    const { shard, sequence } = (await ask(url, 'GET', `${path}/open`)).body.events[0];
    expect((await ask(url, 'POST', `${path}/skip`, { shard, sequence })).status).toBe(204);
    const missing = await ask(url, 'POST', `${path}/skip`, { shard, sequence });
    expect(missing).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect((await ask(url, 'POST', `${path}/pause`)).status).toBe(204);
    expect((await ask(url, 'GET', path)).body.paused).toBe(true);
    expect((await ask(url, 'POST', `${path}/pull`)).body).toEqual([]);
    expect((await ask(url, 'POST', `${path}/resume`)).status).toBe(204);
    const dry = await ask(url, 'POST', `${path}/redrive`, { dryRun: true });
    expect(dry.body).toMatchObject({ redriven: [{ id: one.event.id }], unknown: [] });
    const redriven = await ask(url, 'POST', `${path}/redrive`, { ids: [one.event.id, 'x'] });
    expect(redriven.body).toMatchObject({ redriven: [{ id: one.event.id }], unknown: ['x'] });
    expect((await ask(url, 'POST', `${path}/seek`, { from: 'earliest' })).status).toBe(204);
    const wrong = await ask(url, 'POST', `${path}/seek`, { from: 'nowhere' });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'OPTION_INVALID' } });
    const { body } = await ask(url, 'POST', `${path}/pull`, { max: 10, waitMs: 30_000 });
    expect(body.length).toBeGreaterThan(0);
    const list = await ask(url, 'GET', '/v1/consumers');
    expect(list.body).toMatchObject([{ name: 'worker' }]);
  });

  it('refuses what is no request of its own, with a code and a status', async () => {
    const { url } = await serve();
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    const path = '/v1/consumers/worker';
    const refused: readonly [string, string, unknown, number, string][] = [
      ['PUT', '/v1/consumers/a..b', WORKER, 400, 'OPTION_INVALID'],
      ['PUT', '/v1/consumers/other', {}, 400, 'FILTER_INVALID'],
      ['PUT', '/v1/consumers/other', { ...WORKER, leaseMs: 1 }, 400, 'OPTION_INVALID'],
      ['PUT', '/v1/consumers/other', [], 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/pull`, { max: 1001 }, 400, 'OPTION_INVALID'],
      ['POST', `${path}/pull`, { waitMs: 30_001 }, 400, 'OPTION_INVALID'],
      ['POST', `${path}/pull?x=1`, {}, 400, 'QUERY_INVALID'],
      ['POST', `${path}/ack`, {}, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { leases: [] }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { lease: 'x', leases: ['x'] }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { lease: 'x' }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { lease: 'x', reason: 'y' }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { leases: new Array(257).fill('x') }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/ack`, { lease: 'x.0.1.1' }, 409, 'LEASE_LOST'],
      ['POST', `${path}/nak`, { lease: 'x.0.1.1', count: true }, 400, 'MESSAGE_INVALID'],
      ['POST', `${path}/pause`, { now: true }, 400, 'MESSAGE_INVALID'],
      ['GET', '/v1/consumers/nobody', undefined, 404, 'CONSUMER_UNKNOWN'],
      ['DELETE', '/v1/consumers/nobody', undefined, 404, 'CONSUMER_UNKNOWN'],
    ];
    for (const [method, target, body, status, code] of refused) {
      const answer = await ask(url, method, target, body);
      const what = `${method} ${target} ${JSON.stringify(body)?.slice(0, 80)}`;
      expect({ ...answer, body: answer.body.code }, what).toEqual({ status, body: code });
    }
    const text = await fetch(`${url}${path}/pull`, { method: 'POST', body: '{}' });
    expect(text.status).toBe(415);
  });
});

describe('the grants of consumers over HTTP', () => {
  const boss = newKey({ name: 'boss', subscribe: ['*'], publish: ['*'], consume: ['*'] });
  const worker = newKey({ name: 'worker', consume: ['worker'] });
  const masked = newKey({
    name: 'masked',
    subscribe: [{ pattern: 'jobs.*', redact: ['$.secret'] }],
    consume: ['worker'],
  });
  const reader = newKey({ name: 'reader', subscribe: ['*'] });
  const maker = newKey({ name: 'maker', subscribe: ['mine.*'], consume: ['*'] });
  const admin = newKey({ name: 'admin', admin: ['*'] });

  it('let a worker take and settle, and see nothing else', async () => {
    const { bus, url } = await serve([boss, worker, masked, reader]);
    const made = await ask(url, 'PUT', '/v1/consumers/worker', WORKER, { key: boss });
    expect(made.status).toBe(201);
    await ask(url, 'PUT', '/v1/consumers/other', WORKER, { key: boss });
    await bus.publish({ topic: 'jobs.a', type: 'job', payload: { secret: 1, open: 2 } });
    const pulled = await ask(
      url,
      'POST',
      '/v1/consumers/worker/pull',
      { waitMs: 30_000 },
      { key: masked },
    );
    expect(pulled.body).toMatchObject([{ event: { payload: { secret: '[redacted]', open: 2 } } }]);
    const [{ lease }] = pulled.body;
    const list = await ask(url, 'GET', '/v1/consumers', undefined, { key: worker });
    expect(list.body.map(({ name }: { name: string }) => name)).toEqual(['worker']);
    expect((await ask(url, 'GET', '/v1/consumers', undefined, { key: reader })).body).toEqual([]);
    const forbidden: readonly [string, string, unknown, typeof worker][] = [
      ['POST', '/v1/consumers/other/pull', {}, worker],
      ['POST', '/v1/consumers/other/ack', { lease }, worker],
      ['POST', '/v1/consumers/worker/ack', { lease }, reader],
      ['POST', '/v1/consumers/worker/pull', {}, reader],
      ['GET', '/v1/consumers/worker', undefined, reader],
      ['GET', '/v1/consumers/nobody', undefined, reader],
      ['GET', '/v1/consumers/worker/open', undefined, reader],
      ['PUT', '/v1/consumers/worker', WORKER, worker],
      ['POST', '/v1/consumers/worker/pause', {}, worker],
      ['POST', '/v1/consumers/worker/seek', { from: 'now' }, worker],
      ['POST', '/v1/consumers/worker/seek-preview', { from: 'now' }, worker],
      ['GET', '/v1/consumers/worker/held-keys', undefined, reader],
      ['POST', '/v1/consumers/worker/redrive', {}, worker],
      ['DELETE', '/v1/consumers/worker', undefined, worker],
    ];
    for (const [method, path, body, key] of forbidden) {
      const answer = await ask(url, method, path, body, { key });
      expect(answer, `${method} ${path}`).toMatchObject({
        status: 403,
        body: { code: 'FORBIDDEN' },
      });
    }
    const preview = await ask(
      url,
      'POST',
      '/v1/consumers/worker/seek-preview',
      { from: 'now' },
      { key: boss },
    );
    expect(preview).toMatchObject({ status: 200, body: { again: 0, inFlight: 1, unseen: 0 } });
    const keys = await ask(url, 'GET', '/v1/consumers/worker/held-keys', undefined, {
      key: worker,
    });
    expect(keys).toMatchObject({ status: 200, body: { keys: [] } });
    // A lease names its consumer: under the name of another it is none.
    const other = await ask(url, 'POST', '/v1/consumers/other/ack', { lease }, { key: boss });
    expect(other).toMatchObject({ status: 409, body: { code: 'LEASE_LOST' } });
    const acked = await ask(url, 'POST', '/v1/consumers/worker/ack', { lease }, { key: worker });
    expect(acked.status).toBe(200);
  });

  it('let nobody make a consumer of what it may not read, or take over that of others', async () => {
    const { url } = await serve([boss, maker, admin]);
    const put = (name: string, body: object, key: typeof boss) =>
      ask(url, 'PUT', `/v1/consumers/${name}`, body, { key });
    expect((await put('a', { filter: 'jobs.*' }, maker)).status).toBe(403);
    expect((await put('a', { filter: 'mine.*', deadLetter: 'dead.a' }, maker)).status).toBe(403);
    expect((await put('a', { filter: 'mine.*' }, maker)).status).toBe(201);
    expect((await put('b', { filter: 'jobs.*' }, boss)).status).toBe(201);
    const takeover = await put('b', { filter: 'mine.*', update: true }, maker);
    expect(takeover.status).toBe(403);
    expect((await put('c', { filter: 'jobs.*', deadLetter: 'dead.c' }, admin)).status).toBe(201);
    const deleted = await ask(url, 'DELETE', '/v1/consumers/b', undefined, { key: admin });
    expect(deleted.status).toBe(204);
  });
});
