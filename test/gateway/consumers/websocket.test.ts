import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { Grants } from '../../../src/auth/grants.js';
import { CONSUMER_MEMBERS_PER_CONNECTION_MAX } from '../../../src/protocol/limits/consumers.js';
import { newKey } from '../../auth/support/auth.js';
import { gatewayHooks } from '../../bus/support/millrace.js';
import { until, within } from '../../bus/support/wait.js';
import type { SocketClient } from '../support/socket-client.js';
import { connect, deliveries, publish, serve, serveMore, type Taken } from './support.js';

/** Durable consumers over WebSockets. */

const OPTIONS = { filter: 'jobs.*', from: 'earliest', backoffMs: [0] };

async function makeWorker(client: SocketClient, options: object = {}): Promise<void> {
  const { payload } = await client.ask('consumer', {
    name: 'worker',
    options: { ...OPTIONS, ...options },
  });
  expect(payload).toMatchObject({ consumer: { name: 'worker', paused: false } });
}

async function join(client: SocketClient, concurrency: number, more: object = {}) {
  client.send({
    type: 'join',
    requestId: 'join',
    payload: { consumer: 'worker', member: 'm', concurrency, ...more },
  });
  return client.next('joined');
}

const settle = (client: SocketClient, ...settlements: object[]) =>
  client.answerTo('settle', { settlements }, 'settle');

describe('a member over a WebSocket', () => {
  it('is told of the consumer, gets as many events as it has places, and settles them', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client, { maxAttempts: 3 });
    expect((await join(client, 2, { name: 'me' })).payload).toEqual({
      member: 'm',
      leaseMs: 30_000,
      ackDurability: 'synced',
      maxAttempts: 3,
    });
    await publish(bus, 4);
    const first = await deliveries(client, 2);
    expect(first).toHaveLength(2);
    expect(first).toMatchObject([{ attempt: 1 }, { attempt: 1 }]);
    const info = await client.ask('consumers', { names: ['worker'] });
    expect(info.payload.consumers).toMatchObject([
      { inFlight: 2, members: [{ name: 'me', principal: 'anonymous', concurrency: 2 }] },
    ]);
    client.send({
      type: 'settle',
      requestId: 1,
      payload: {
        settlements: [
          { lease: first[0]!.lease, kind: 'ack' },
          { lease: first[1]!.lease, kind: 'working' },
          { lease: first[1]!.lease, kind: 'term', reason: 'broken' },
          { lease: first[1]!.lease, kind: 'ack' },
          { lease: 'no lease', kind: 'ack' },
        ],
      },
    });
    const answers = [];
    const taken = [];
    while (answers.length < 1 || taken.length < 2) {
      const frame = await within('an answer', client.next());
      if (frame.type === 'settled') answers.push(frame);
      else taken.push(...frame.payload.deliveries);
    }
    expect(answers[0]!.payload.results).toMatchObject([
      {},
      { leaseMs: expect.any(Number) },
      {},
      { code: 'LEASE_LOST' },
      { code: 'MESSAGE_INVALID' },
    ]);
    const preview = await client.ask('seekPreview', { name: 'worker', from: 'earliest' });
    expect(preview.payload.preview).toEqual({ again: 2, passed: 0, inFlight: 2, unseen: 0 });
    const keys = await client.ask('consumerHeldKeys', { name: 'worker' });
    expect(keys.payload.page).toEqual({ keys: [] });
    await client.ask('alterConsumer', { name: 'worker', change: { kind: 'pause' } });
    const paused = await client.ask('consumers', { names: ['worker'] });
    expect(paused.payload.consumers).toMatchObject([
      { paused: true, pausedBy: 'anonymous', pausedAt: expect.stringMatching(/Z$/) },
    ]);
    await client.ask('alterConsumer', { name: 'worker', change: { kind: 'resume' } });
    const dead = await client.ask('consumerDead', { name: 'worker' });
    expect(dead.payload.page.events).toMatchObject([{ cause: 'term', reason: 'broken' }]);
    const more = await settle(client, ...taken.map(({ lease }) => ({ lease, kind: 'ack' })));
    expect(more.payload.results).toEqual([{}, {}]);
    await until('all is done', async () => {
      const { payload } = await client.ask('consumers', {});
      return payload.consumers[0].acked === 3 && payload.consumers[0].inFlight === 0;
    });
  });

  it('gets an event again after a nak, and at no cost after a hand-back', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client);
    await join(client, 1);
    await publish(bus, 1);
    const [first] = await deliveries(client, 1);
    client.send({
      type: 'settle',
      payload: { settlements: [{ lease: first!.lease, kind: 'handBack' }] },
    });
    const next = async () => {
      for (;;) {
        const frame = await within('the event again', client.next());
        if (frame.type === 'deliveries') return frame.payload.deliveries[0];
      }
    };
    const second = await next();
    expect(second).toMatchObject({ attempt: 1, event: { id: first!.event.id } });
    client.send({
      type: 'settle',
      payload: { settlements: [{ lease: second.lease, kind: 'nak', delayMs: 0 }] },
    });
    expect(await next()).toMatchObject({ attempt: 2, event: { id: first!.event.id } });
  });

  it('gets all events, also those that were leased ahead of its places', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client, { ackDurability: 'written' });
    const total = 1500;
    const events = Array.from({ length: total }, (_, n) => ({
      topic: `jobs.${n % 7}`,
      type: 'job',
      payload: n,
    }));
    await bus.publishMany(events);
    await join(client, 32);
    const seen = new Set<number>();
    while (seen.size < total) {
      const { type, payload } = await within('the next event', client.next());
      if (type !== 'deliveries') continue;
      for (const { event } of payload.deliveries) seen.add(event.payload);
      const settlements = payload.deliveries.map(({ lease }: { lease: string }) => ({
        lease,
        kind: 'ack',
      }));
      client.send({ type: 'settle', payload: { settlements } });
    }
    expect(seen.size).toBe(total);
  });

  it('that leaves gets nothing more, and may settle what it has', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client);
    await join(client, 1, { prefetch: false });
    await publish(bus, 2);
    const [first] = await deliveries(client, 1);
    const left = await client.ask('leave', { member: 'm' });
    expect(left).toMatchObject({ type: 'left', payload: { member: 'm' } });
    const settled = await settle(client, { lease: first!.lease, kind: 'ack' });
    expect(settled.payload.results).toEqual([{}]);
    await until('it is gone', async () => {
      const { payload } = await client.ask('consumers', {});
      return payload.consumers[0].members.length === 0;
    });
    // Its name is free again, and the rest comes.
    await join(client, 5);
    expect(await deliveries(client, 1)).toHaveLength(1);
    const { payload } = await client.ask('resize', { member: 'm', concurrency: 7 });
    expect(payload).toMatchObject({ member: 'm' });
  });

  it('keeps what it has leased when its places become fewer, and gets more only as it has room', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client);
    await join(client, 3, { prefetch: false });
    await publish(bus, 8);
    const leased = await deliveries(client, 3);
    const came: Taken[] = [];
    /** Acknowledges, and keeps the deliveries that come before the answer. */
    const ack = async ({ lease }: Taken): Promise<void> => {
      const settlements = [{ lease, kind: 'ack' }];
      client.send({ type: 'settle', requestId: 'settle', payload: { settlements } });
      for (;;) {
        const { type, payload } = await within(`the ack of ${lease}`, client.next());
        if (type === 'deliveries') came.push(...payload.deliveries);
        else
          return expect({ type, payload }).toEqual({ type: 'settled', payload: { results: [{}] } });
      }
    };
    const inFlight = async (): Promise<number> => {
      const { payload } = await client.ask('consumers', { names: ['worker'] });
      return payload.consumers[0].inFlight;
    };
    expect((await client.ask('resize', { member: 'm', concurrency: 1 })).type).toBe('joined');
    await ack(leased[0]!);
    expect(await inFlight()).toBe(2);
    await ack(leased[1]!);
    expect(await inFlight()).toBe(1);
    expect(came).toEqual([]);
    await ack(leased[2]!);
    while (came.length < 1) came.push(...(await deliveries(client, 1)));
    expect(await inFlight()).toBe(1);
    client.send({ type: 'resize', requestId: 'more', payload: { member: 'm', concurrency: 4 } });
    expect(await client.next()).toMatchObject({ type: 'joined', requestId: 'more' });
    came.push(...(await deliveries(client, 3)));
    expect(await inFlight()).toBe(4);
    const [fourth, ...more] = came.splice(0);
    for (const one of [fourth!, ...more]) await ack(one);
    while (came.length < 1) came.push(...(await deliveries(client, 1)));
    expect(came.map(({ event }) => event.payload.n)).toEqual([7]);
  });

  it('whose connection ends gives its events to another member at once', async () => {
    const { bus, port } = await serve();
    const { port: otherPort } = await serveMore(bus);
    const one = await connect(port);
    await makeWorker(one, { leaseMs: 86_400_000 });
    await join(one, 1);
    await publish(bus, 1);
    const [first] = await deliveries(one, 1);
    const other = await connect(otherPort);
    await join(other, 1);
    one.socket.terminate();
    const [again] = await deliveries(other, 1);
    expect(again).toMatchObject({ attempt: 2, event: { id: first!.event.id } });
    const late = await settle(other, { lease: first!.lease, kind: 'ack' });
    expect(late.payload.results).toMatchObject([{ code: 'LEASE_LOST' }]);
  });

  it('whose gateway’s thread is killed gives its events to another member at once', async () => {
    const { bus, port: otherPort } = await serve();
    const handle = await bus.serve({ port: 0 });
    const one = await connect(handle.port);
    await makeWorker(one, { leaseMs: 86_400_000 });
    await join(one, 1);
    await publish(bus, 1);
    const [first] = await deliveries(one, 1);
    const pulled = await one.ask('pull', { consumer: 'worker' });
    expect(pulled.payload).toEqual({ deliveries: [] });
    await publish(bus, 1);
    const detached = await one.ask('pull', { consumer: 'worker', waitMs: 30_000 });
    const [kept] = detached.payload.deliveries;
    await gatewayHooks(handle).hurt('kill');
    await within('the socket ends', one.closed);
    const other = await connect(otherPort);
    await join(other, 5);
    const [again] = await deliveries(other, 1);
    expect(again).toMatchObject({ attempt: 2, event: { id: first!.event.id } });
    // The lease of a pull is its caller's, whichever gateway it came from.
    const settled = await settle(other, { lease: kept.lease, kind: 'ack' });
    expect(settled.payload.results).toEqual([{}]);
  });

  it('is told of leases that are lost, and of its end', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await makeWorker(client);
    await join(client, 1);
    await publish(bus, 1);
    const [first] = await deliveries(client, 1);
    const director = await connect(port);
    const worker = { name: 'worker' };
    await director.ask('alterConsumer', { ...worker, change: { kind: 'pause' } });
    await director.ask('alterConsumer', { ...worker, change: { kind: 'seek', from: 'earliest' } });
    const lost = await within('the loss', client.next('leaseLost'));
    expect(lost.payload).toEqual({ member: 'm', leases: [first!.lease] });
    await director.ask('alterConsumer', { ...worker, change: { kind: 'resume' } });
    await deliveries(client, 1);
    const deleted = await director.ask('alterConsumer', { ...worker, change: { kind: 'delete' } });
    expect(deleted).toMatchObject({ type: 'result', payload: {} });
    const ends = [];
    while (ends.at(-1)?.type !== 'memberEnded') ends.push(await within('the end', client.next()));
    expect(ends.at(-1)!.payload).toMatchObject({ member: 'm', code: 'CONSUMER_UNKNOWN' });
  });

  it('of a slow client is lent nothing: others get the events', async () => {
    const { bus, port } = await serve([], { maxOutboundBytes: 64 * 1024, stallMs: 600_000 });
    const slow = await connect(port);
    await makeWorker(slow);
    await join(slow, 1000);
    slow.socket.pause();
    const total = 300;
    const text = 'x'.repeat(100_000);
    const events = Array.from({ length: total }, (_, n) => ({
      topic: `jobs.${n % 5}`,
      type: 'job',
      payload: { n, text },
    }));
    for (let at = 0; at < total; at += 50) await bus.publishMany(events.slice(at, at + 50));
    const quick = await connect(port);
    const state = async () => (await quick.ask('consumers', {})).payload.consumers[0];
    // What the sockets' buffers take goes to the slow one; what it has then stays at that.
    await until('no more goes to the slow client', async () => {
      const { inFlight } = await state();
      return inFlight < total && (await state()).inFlight === inFlight;
    });
    await join(quick, 1000);
    let taken = 0;
    while (taken < 50) taken += (await deliveries(quick, 1)).length;
    expect(taken).toBeGreaterThanOrEqual(50);
    slow.socket.resume();
    const rest = await deliveries(slow, 1);
    expect(rest.length).toBeGreaterThan(0);
  });
});

describe('the requests about consumers', () => {
  it('are refused where they are malformed, and the connection goes on', async () => {
    const { port } = await serve();
    const client = await connect(port);
    await makeWorker(client);
    const malformed: readonly [string, unknown][] = [
      ['consumer', {}],
      ['consumer', { name: 'a', options: [] }],
      ['consumers', []],
      ['consumers', { names: new Array(257).fill('a') }],
      ['consumerOpen', { name: 'worker', limit: -1 }],
      ['alterConsumer', { name: 'worker', change: { kind: 'explode' } }],
      ['alterConsumer', { name: 'worker', change: { kind: 'pause', from: 'now' } }],
      ['alterConsumer', { name: 'worker', change: { kind: 'skip', shard: 0 } }],
      ['join', { consumer: 'worker', member: '', concurrency: 1 }],
      ['join', { consumer: 'worker', member: 'm', concurrency: 1.5 }],
      ['settle', { settlements: [] }],
      ['settle', { settlements: new Array(257).fill({ lease: 'x', kind: 'ack' }) }],
      ['settle', { settlements: [{ lease: 'x', kind: 'eat' }] }],
      ['settle', { settlements: [{ lease: 'x'.repeat(200), kind: 'ack' }] }],
      ['pull', { consumer: 'worker', max: '1' }],
    ];
    for (const [type, payload] of malformed) {
      const answer = await client.ask(type, payload);
      expect(answer.payload, JSON.stringify(payload).slice(0, 80)).toMatchObject({
        code: 'MESSAGE_INVALID',
      });
    }
    const refused: readonly [string, unknown, string][] = [
      ['consumer', { name: 'nobody' }, 'CONSUMER_UNKNOWN'],
      ['consumer', { name: 'worker', options: { filter: 'other.*' } }, 'CONSUMER_EXISTS'],
      ['join', { consumer: 'nobody', member: 'm', concurrency: 1 }, 'CONSUMER_UNKNOWN'],
      ['join', { consumer: 'worker', member: 'm', concurrency: 0 }, 'OPTION_INVALID'],
      ['resize', { member: 'm', concurrency: 1 }, 'SUBSCRIPTION_UNKNOWN'],
      ['leave', { member: 'm' }, 'SUBSCRIPTION_UNKNOWN'],
      ['pull', { consumer: 'worker', max: 0 }, 'OPTION_INVALID'],
    ];
    for (const [type, payload, code] of refused) {
      expect((await client.ask(type, payload)).payload, type).toMatchObject({ code });
    }
    for (let n = 0; n < CONSUMER_MEMBERS_PER_CONNECTION_MAX; n++) {
      await client.ask('join', { consumer: 'worker', member: `m${n}`, concurrency: 1 });
    }
    const again = await client.ask('join', { consumer: 'worker', member: 'm0', concurrency: 1 });
    expect(again.payload.code).toBe('SUBSCRIPTION_EXISTS');
    const beyond = await client.ask('join', { consumer: 'worker', member: 'x', concurrency: 1 });
    expect(beyond.payload).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('need grants, and a renewed token without them ends the members', async () => {
    const SECRET = 'a secret of thirty-two bytes or more';
    const jwt = { secret: SECRET, issuer: 'test', audience: 'millrace' };
    const token = (grants: Grants) =>
      new SignJWT({ millrace: grants })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('test')
        .setAudience('millrace')
        .setSubject('ada')
        .setExpirationTime('1h')
        .sign(new TextEncoder().encode(SECRET));
    const { bus, port } = await serve([], { auth: { jwt } });
    await bus.consumer('worker', { filter: 'jobs.*', from: 'earliest', backoffMs: [0] });
    await publish(bus, 1);
    const client = await connect(port, { ...newKey(), key: await token({ consume: ['worker'] }) });
    await join(client, 1);
    const [taken] = await deliveries(client, 1);
    for (const [type, payload] of [
      ['consumer', { name: 'worker', options: OPTIONS }],
      ['consumer', { name: 'other' }],
      ['pull', { consumer: 'other' }],
      ['alterConsumer', { name: 'worker', change: { kind: 'pause' } }],
      ['redrive', { name: 'worker' }],
    ] as const) {
      expect((await client.ask(type, payload)).payload, type).toMatchObject({ code: 'FORBIDDEN' });
    }
    const renewed = await client.answerTo('authenticate', { token: await token({}) }, 'renew');
    expect(renewed.type).toBe('authenticated');
    const ended = await within('the end', client.next('memberEnded'));
    expect(ended.payload).toMatchObject({ member: 'm', code: 'FORBIDDEN' });
    const settled = await settle(client, { lease: taken!.lease, kind: 'ack' });
    expect(settled.payload.results).toMatchObject([{ code: 'LEASE_LOST' }]);
    expect((await client.ask('consumers', {})).payload).toEqual({ consumers: [] });
  });
});
