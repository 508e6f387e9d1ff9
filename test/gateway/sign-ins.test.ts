import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { openGateway, type TestGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

/** An address shows tokens that are not valid: after a few, the gateway checks no token from there for a moment. */

const key = newKey({ name: 'somebody', publish: ['*'], subscribe: ['*'] });
const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Opens a gateway whose rates see a clock that stands still. */
async function open(anonymous?: object): Promise<TestGateway> {
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  const keysFile = join(temporaryDirectory(), 'keys.json');
  writeKeys(keysFile, key);
  const auth = { keysFile, ...(anonymous !== undefined && { anonymous }) };
  return openGateway({ auth, maxFailedSignInsPerSecond: 2, audit: true });
}

function ask({ port }: TestGateway, token?: string): Promise<Response> {
  const options = token === undefined ? {} : bearing(token);
  return fetch(`http://127.0.0.1:${port}/v1/topics`, options);
}

async function useUp(gateway: TestGateway): Promise<void> {
  expect((await ask(gateway, 'mr_forged')).status).toBe(401);
  expect((await ask(gateway, 'mr_forged')).status).toBe(401);
}

const results = ({ logs }: TestGateway) =>
  logs.filter(({ message }) => message === 'audit').map(({ fields }) => fields.result);

describe('an address whose tokens are not valid', () => {
  it('is told to wait: over HTTP, on upgrade, in the first frame, and on an open connection', async () => {
    const gateway = await open();
    const living = new SocketClient(gateway.port, bearing(key.key));
    await living.next('welcome');
    await useUp(gateway);

    const answer = await ask(gateway, key.key);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const refusal = { code: 'RATE_LIMITED', details: { perSecond: 2, limitOf: 'address' } };
    expect(await answer.json()).toMatchObject(refusal);

    const upgrading = new SocketClient(gateway.port, bearing(key.key));
    const [, response] = await once(upgrading.socket, 'unexpected-response');
    expect(response.statusCode).toBe(429);
    upgrading.socket.terminate();

    const showing = await gateway.connect();
    showing.send({ type: 'authenticate', payload: { token: key.key } });
    expect((await showing.next('error')).payload).toMatchObject(refusal);
    // 1013 lets the client try again: its token was not checked.
    expect((await showing.closed).code).toBe(1013);

    const renewed = await living.ask('authenticate', { token: key.key });
    expect(renewed.payload).toMatchObject(refusal);
    expect((await living.ask('ping', {})).type).toBe('pong');
    expect(results(gateway)).toEqual(['refused', 'refused', ...Array(4).fill('limited')]);
  });

  it('may show a token again after the wait, which is never longer than a second', async () => {
    const gateway = await open();
    await Promise.all(Array.from({ length: 20 }, () => ask(gateway, 'mr_forged')));
    const { details } = (await (await ask(gateway, key.key)).json()) as {
      details: { retryAfterMs: number };
    };
    expect(details.retryAfterMs).toBeLessThanOrEqual(1500);
    vi.mocked(performance.now).mockReturnValue(performance.now() + details.retryAfterMs);
    expect((await ask(gateway, key.key)).status).toBe(200);
  });

  it('may connect without a token if none is required', async () => {
    const gateway = await open({ subscribe: ['*'] });
    await useUp(gateway);
    expect((await ask(gateway)).status).toBe(200);
    expect((await ask(gateway, key.key)).status).toBe(429);
  });
});

it('valid tokens do not count towards the rate', async () => {
  const gateway = await open();
  for (let n = 0; n < 20; n++) expect((await ask(gateway, key.key)).status).toBe(200);
});
