import { SignJWT } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Grants } from '../../../src/auth/grants.js';
import { RENEWALS_PER_SECOND } from '../../../src/protocol/limits/websocket.js';
import { openGateway, type TestGateway } from '../support/open-gateway.js';
import { SocketClient } from '../support/socket-client.js';

/** A client shows a new token on an open connection, which goes on with the grants of the new token. */

const SECRET = 'a secret of thirty-two bytes or more';
const jwt = { secret: SECRET, issuer: 'test', audience: 'millrace' };
const event = { topic: 'a.b', type: 'agent_log', payload: { open: 1, card: 'secret' } };

function token(grants: Grants, { lifeSeconds = 60, subject = 'alice' } = {}): Promise<string> {
  return new SignJWT({ millrace: grants })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('test')
    .setAudience('millrace')
    .setSubject(subject)
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifeSeconds)
    .sign(new TextEncoder().encode(SECRET));
}

async function asAlice(gateway: TestGateway, shown: string): Promise<SocketClient> {
  const authorization = `Bearer ${shown}`;
  const client = new SocketClient(gateway.port, { headers: { authorization } });
  await client.next('welcome');
  return client;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Counts the signatures that are checked. The first check waits until the test calls `goOn`. */
function holdFirstSignature() {
  const verify = crypto.subtle.verify.bind(crypto.subtle);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const looked = vi.spyOn(crypto.subtle, 'verify').mockImplementation(async (...what) => {
    if (looked.mock.calls.length === 1) await held;
    return verify(...what);
  });
  return { looked, goOn };
}

describe('a new token on an open connection', () => {
  it('keeps the connection open beyond the end of the earlier token', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const grants = { publish: ['a.*'] };
    const client = await asAlice(gateway, await token(grants, { lifeSeconds: 2 }));
    const other = await asAlice(gateway, await token(grants, { lifeSeconds: 2 }));
    const answer = await client.ask('authenticate', { token: await token(grants) });
    expect(answer).toMatchObject({ type: 'authenticated', payload: { principal: 'alice' } });
    expect((await other.closed).code).toBe(1008);
    expect((await client.ask('publish', { event })).type).toBe('published');
  });

  it('replaces the grants, and ends subscriptions that they do not cover', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const before = { publish: ['a.*'], subscribe: ['a.*', 'b.*'] };
    const client = await asAlice(gateway, await token(before));
    await client.ask('subscribe', { subscription: 'stays', filter: 'a.*' });
    await client.next('caughtUp');
    await client.ask('subscribe', { subscription: 'goes', filter: ['a.*', 'b.*'] });
    await client.next('caughtUp');
    const after = { subscribe: [{ pattern: 'a.*', redact: ['$.card'] }] };
    await client.ask('authenticate', { token: await token(after) });
    expect((await client.next('ended')).payload).toMatchObject({
      subscription: 'goes',
      code: 'FORBIDDEN',
    });
    expect(gateway.endpoint.subscriptions.size).toBe(1);
    expect((await client.ask('publish', { event })).payload.code).toBe('FORBIDDEN');
    const writer = await asAlice(gateway, await token({ publish: ['a.*'] }));
    await writer.ask('publish', { event });
    const { payload } = await client.next('events');
    expect(payload.events[0].payload).toEqual({ open: 1, card: '[redacted]' });
  });

  it('changes nothing if it is invalid or belongs to another principal', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = await asAlice(gateway, await token({ publish: ['a.*'] }));
    const ofBob = await token({ publish: ['*'] }, { subject: 'bob' });
    const refusals: [string, string][] = [
      ['nonsense', 'UNAUTHENTICATED'],
      [ofBob, 'FORBIDDEN'],
    ];
    for (const [shown, code] of refusals) {
      const answer = await client.ask('authenticate', { token: shown });
      expect(answer).toMatchObject({ type: 'error', payload: { code } });
      expect((await client.ask('publish', { event })).type).toBe('published');
    }
    expect(JSON.stringify(gateway.logs)).not.toContain(ofBob);
  });

  it('does not refill a rate', async () => {
    const gateway = await openGateway({ auth: { jwt }, maxPublishPerSecond: 1 });
    const client = await asAlice(gateway, await token({ publish: ['a.*'] }));
    expect((await client.ask('publish', { event })).type).toBe('published');
    await client.ask('authenticate', { token: await token({ publish: ['a.*'] }) });
    expect((await client.ask('publish', { event })).payload.code).toBe('RATE_LIMITED');
  });

  it('takes effect after a token that was shown before it, even if that one takes longer to judge', async () => {
    const gateway = await openGateway({ auth: { jwt } });
    const client = await asAlice(gateway, await token({ publish: ['a.*'] }));
    const { goOn } = holdFirstSignature();
    const first = await token({ publish: ['first.*'] });
    const last = await token({ publish: ['last.*'] });
    client.send({ type: 'authenticate', requestId: 1, payload: { token: first } });
    client.send({ type: 'authenticate', requestId: 2, payload: { token: last } });
    // In this time the gateway could have judged the second token.
    const answered: unknown[] = [];
    for (let pings = 0; pings < 10; ) {
      client.send({ type: 'ping', requestId: 'ping' });
      const { requestId } = await client.next();
      if (requestId === 'ping') pings++;
      else answered.push(requestId);
    }
    goOn();
    while (answered.length < 2) answered.push((await client.next()).requestId);
    expect(answered).toEqual([1, 2]);
    const publish = (topic: string) => client.ask('publish', { event: { ...event, topic } });
    expect((await publish('first.a')).payload.code).toBe('FORBIDDEN');
    expect((await publish('last.a')).type).toBe('published');
  });

  it('is judged only a few times a second, and few may wait', async () => {
    const gateway = await openGateway({ auth: { jwt }, audit: true });
    const client = await asAlice(gateway, await token({ publish: ['a.*'] }));
    vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    const { looked, goOn } = holdFirstSignature();
    goOn();
    const forged = (await token({ publish: ['*'] })).replace(/.{4}$/, 'AAAA');
    const codes: string[] = [];
    for (let n = 0; n < 100; n++) {
      client.send({ type: 'authenticate', requestId: n, payload: { token: forged } });
    }
    for (let n = 0; n < 100; n++) {
      const { payload } = await client.next('error');
      codes.push(payload.code);
      if (payload.code === 'RATE_LIMITED') expect(payload.details.retryAfterMs).toBeGreaterThan(0);
    }
    expect(looked).toHaveBeenCalledTimes(RENEWALS_PER_SECOND);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(100 - RENEWALS_PER_SECOND);
    expect((await client.ask('publish', { event })).type).toBe('published');
    const told = gateway.logs.filter(({ message }) => message === 'audit');
    expect(told.filter(({ fields }) => fields.result === 'limited')).toHaveLength(
      100 - RENEWALS_PER_SECOND,
    );
  });
});
