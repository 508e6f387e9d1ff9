import { describe, expect, it } from 'vitest';
import { newKey } from '../auth/support/auth.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from '../client/support/millrace-client.js';
import { ask, connect, serve } from './consumers/support.js';

/** Questions over HTTP, and who may ask and answer. */

const QUESTION = { topic: 'math.square', type: 'question', payload: 3 };

describe('POST /v1/request', () => {
  it('answers with the answer', async () => {
    const { bus, url } = await serve();
    await bus.respond('math.*', ({ payload }) => Number(payload) ** 2).ready;
    const answered = await ask(url, 'POST', '/v1/request', { ...QUESTION, id: 'q' });
    expect(answered).toMatchObject({
      status: 200,
      body: { topic: 'math.square', type: 'answer', payload: 9, causationId: 'q' },
    });
  });

  it('says what went wrong by its status', async () => {
    const { bus, url } = await serve();
    const post = (path: string, body: unknown) => ask(url, 'POST', `/v1/request${path}`, body);
    expect(await post('', QUESTION)).toMatchObject({
      status: 503,
      body: { code: 'NO_RESPONDERS' },
    });
    let isTold = false;
    const responder = bus.respond('math.*', ({ payload }, { signal }) => {
      if (payload === 'throw') throw new Error('overflow');
      signal.addEventListener('abort', () => {
        isTold = true;
      });
      return new Promise(() => {});
    });
    await responder.ready;
    const slow = await post('?timeoutMs=20', QUESTION);
    expect(slow).toMatchObject({ status: 504, body: { code: 'REQUEST_TIMEOUT' } });
    await until('the handler knows', () => isTold);
    const failed = await post('', { ...QUESTION, payload: 'throw' });
    expect(failed).toMatchObject({
      status: 502,
      body: { code: 'RESPONDER_FAILED', message: 'overflow' },
    });
    expect(await post('?timeoutMs=x', QUESTION)).toMatchObject({ status: 400 });
    expect(await post('?timeoutMs=0', QUESTION)).toMatchObject({ status: 400 });
    expect(await post('?wait=1', QUESTION)).toMatchObject({ status: 400 });
    expect(await post('', [QUESTION])).toMatchObject({ status: 400 });
    expect(await post('', { ...QUESTION, topic: 'a.*' })).toMatchObject({ status: 400 });
  });

  it('gives up for a caller that has gone', async () => {
    const { bus, url } = await serve();
    const responder = bus.respond('math.*', () => new Promise(() => {}));
    await responder.ready;
    const caller = new AbortController();
    const asked = ask(url, 'POST', '/v1/request', QUESTION, { signal: caller.signal });
    await until('it is in hand', () => responder.inFlight === 1);
    caller.abort();
    await expect(asked).rejects.toThrow();
    await until('nothing is pending', async () => (await bus.stats()).requests.pending === 0);
  });
});

describe('the grants of questions', () => {
  const asker = newKey({ name: 'asker', publish: ['math.*'] });
  const server = newKey({
    name: 'server',
    publish: ['math.*'],
    subscribe: [{ pattern: 'math.*', redact: ['$.secret'] }],
    source: 'calculator',
  });
  const reader = newKey({ name: 'reader', subscribe: ['*'] });
  const client = (url: string, key: ReturnType<typeof newKey>) =>
    connectTo(url, { getToken: () => key.key }).client;

  it('let ask who may publish, and answer who may do both, for all that the pattern matches', async () => {
    const { url } = await serve([asker, server, reader]);
    const forbidden = { code: 'FORBIDDEN' };
    const answerer = client(url, server);
    const responder = answerer.respond('math.*', ({ payload }) => payload);
    await responder.ready;
    for (const [key, pattern] of [
      [asker, 'math.*'],
      [reader, 'math.*'],
      [server, '*'],
    ] as const) {
      const refused = client(url, key).respond(pattern, () => 'forged');
      await expect(refused.ready).rejects.toMatchObject(forbidden);
      await expect(refused.closed).rejects.toMatchObject(forbidden);
    }
    const input = { ...QUESTION, payload: { secret: 1, open: 2 } };
    await expect(client(url, reader).request(input)).rejects.toMatchObject(forbidden);
    const answer = await client(url, asker).request(input);
    // What the responder may not see is masked, and its source is the one that it is held to.
    expect(answer).toMatchObject({ source: 'calculator', payload: { open: 2 } });
    expect((answer.payload as { secret: unknown }).secret).not.toBe(1);
  });

  it('let nobody answer a question that another has', async () => {
    const { url, port } = await serve();
    const honest = connectTo(url).client;
    let answer = (_: unknown): void => {};
    const responder = honest.respond(
      'math.*',
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    await responder.ready;
    const forger = await connect(port);
    const asked = honest.request(QUESTION);
    await until('it is in hand', () => responder.inFlight === 1);
    for (let question = 1; question < 5; question++) {
      forger.send({ type: 'answer', payload: { question, payload: 'forged' } });
    }
    await forger.ask('ping', {});
    answer('honest');
    expect((await asked).payload).toBe('honest');
  });
});

describe('the questions that a connection has in hand', () => {
  const respond = { responder: 'r', pattern: 'math.*' };

  it('are lost with it, also once it takes no others', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await client.ask('respond', respond);
    const asked = bus.request(QUESTION, { timeoutMs: 60_000 });
    await client.next('question');
    client.send({ type: 'endRespond', requestId: 'end', payload: { responder: 'r' } });
    await client.ask('ping', {});
    client.close();
    await expect(asked).rejects.toMatchObject({ code: 'RESPONDER_LOST' });
  });

  it('stay with the responder that took them, when another one takes its name', async () => {
    const { bus, port } = await serve();
    const client = await connect(port);
    await client.ask('respond', respond);
    const asked = bus.request(QUESTION, { timeoutMs: 60_000 });
    const { payload } = await client.next('question');
    client.send({ type: 'endRespond', requestId: 'end', payload: { responder: 'r' } });
    await client.ask('respond', respond);
    client.send({ type: 'endRespond', requestId: 'again', payload: { responder: 'r' } });
    client.send({ type: 'answer', payload: { question: payload.question, payload: 9 } });
    expect(await asked).toMatchObject({ payload: 9 });
    client.close();
  });
});
