import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BusApi } from '../../../src/protocol/bus-api.js';
import type { EventInput } from '../../../src/protocol/event.js';
import type { Responder } from '../../../src/protocol/requests.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { defineTopic } from '../support/millrace.js';
import { openTestBus } from '../support/open.js';
import { until, within } from '../support/wait.js';

/** Questions and answers, alike in process and over a connection. */
const WORKER = new URL('./worker.js', import.meta.url);

const question = (payload: unknown, topic = 'math.square'): EventInput => ({
  topic,
  type: 'question',
  payload,
});
const connect = (url: string) => connectTo(url).client;
const square = ({ payload }: { payload: unknown }): number => Number(payload) ** 2;
const never = (): Promise<never> => new Promise(() => {});

async function openPair(kind: string, options: Parameters<typeof openTestBus>[0] = {}) {
  const bus = await openTestBus({ shards: 2, ...options });
  if (kind === 'in process') return { bus, asker: bus as BusApi, answerer: bus as BusApi };
  const { url } = await bus.serve({ port: 0 });
  const [asker, answerer] = [connect(url), connect(url)];
  await Promise.all([asker.connected(), answerer.connected()]);
  return { bus, asker: asker as BusApi, answerer: answerer as BusApi };
}

describe.each(['in process', 'over the WebSocket'])('request and respond, %s', (kind) => {
  it('answer a question, with its id as the cause', async () => {
    const { asker, answerer } = await openPair(kind);
    const asked: unknown[] = [];
    const responder = answerer.respond('math.*', (event) => {
      asked.push(event);
      return { result: square(event) };
    });
    await responder.ready;
    const input = { ...question(7), id: 'q-1', correlationId: 'run', attributes: { a: 'b' } };
    const answer = await asker.request(input);
    expect(answer).toMatchObject({
      topic: 'math.square',
      type: 'answer',
      payload: { result: 49 },
      correlationId: 'run',
      causationId: 'q-1',
    });
    expect(asked).toEqual([expect.objectContaining({ ...input })]);
    expect(answer.sequence).toBeUndefined();
    const plain = await asker.request(question(2));
    expect(plain.correlationId).toBe(plain.causationId);
  });

  it('store nothing, and no subscription sees either', async () => {
    const { bus, asker, answerer } = await openPair(kind);
    const seen: unknown[] = [];
    const subscription = bus.subscribe('*', (event) => void seen.push(event.topic));
    await Promise.all([subscription.ready, answerer.respond('math.*', square).ready]);
    await asker.request(question(3));
    await bus.publish(question('after', 'other'));
    await until('the event behind it is there', () => seen.includes('other'));
    expect(seen).toEqual(['other']);
    expect(await bus.query({ topic: 'math.*' })).toEqual([]);
  });

  it('say at once that nobody answers', async () => {
    const { asker, answerer } = await openPair(kind);
    const refused = { code: 'NO_RESPONDERS', details: { topic: 'math.square' } };
    await expect(asker.request(question(1))).rejects.toMatchObject(refused);
    const responder = answerer.respond('math.square', square);
    await responder.ready;
    await expect(asker.request(question(1, 'math.cube'))).rejects.toMatchObject({
      code: 'NO_RESPONDERS',
    });
    expect((await asker.request(question(4))).payload).toBe(16);
    await responder.stop();
    await expect(asker.request(question(1))).rejects.toMatchObject(refused);
  });

  it('tell the asker what a handler failed with', async () => {
    const { asker, answerer } = await openPair(kind);
    const failures: Record<string, () => unknown> = {
      throws: () => {
        throw new Error('overflow');
      },
      rejects: async () => {
        throw new Error('overflow');
      },
      cyclic: () => {
        const value: Record<string, unknown> = {};
        value.self = value;
        return value;
      },
    };
    await answerer.respond('math.*', ({ payload }) => failures[String(payload)]!()).ready;
    for (const how of ['throws', 'rejects']) {
      await expect(asker.request(question(how))).rejects.toMatchObject({
        code: 'RESPONDER_FAILED',
        message: 'overflow',
        details: { topic: 'math.square' },
      });
    }
    await expect(asker.request(question('cyclic'))).rejects.toMatchObject({
      code: 'RESPONDER_FAILED',
      details: { code: 'PAYLOAD_INVALID' },
    });
  });

  it('count against a responder until its handler has ended, also where nobody waits any more', async () => {
    const { bus, answerer } = await openPair(kind);
    let begun = 0;
    let release = () => {};
    const isReleased = new Promise<void>((resolve) => {
      release = resolve;
    });
    const responder = answerer.respond('math.*', async (event) => {
      begun++;
      await isReleased;
      return square(event);
    });
    await responder.ready;
    const codeOf = ({ code }: { code: string }) => code;
    const ask = (n: number) => bus.request(question(n), { timeoutMs: 3000 }).catch(codeOf);
    const outcomes = await Promise.all(Array.from({ length: 1000 }, (_, n) => ask(n)));
    expect(new Set(outcomes)).toEqual(new Set(['REQUEST_TIMEOUT']));
    expect(begun).toBe(1000);
    expect(await ask(1)).toBe('LIMIT_EXCEEDED');
    expect(begun).toBe(1000);
    release();
    await until('it answers again', async () => typeof (await ask(3)) === 'object');
    expect(await bus.request(question(3))).toMatchObject({ payload: 9 });
    await responder.stop();
  });

  it('give up after a time or by a signal, and tell the handler', async () => {
    const { bus, asker, answerer } = await openPair(kind);
    let aborted = 0;
    const responder = answerer.respond('math.*', (_, { signal }) => {
      signal.addEventListener('abort', () => {
        aborted++;
      });
      return never();
    });
    await responder.ready;
    await expect(asker.request(question(1), { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
      details: { topic: 'math.square', timeoutMs: 20 },
    });
    await until('the handler knows', () => aborted === 1);
    const controller = new AbortController();
    const asked = asker.request(question(1), { signal: controller.signal });
    await until('it is in hand', () => responder.inFlight === 2);
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'ABORTED' });
    await until('the handler knows', () => aborted === 2);
    await until('nothing is pending', async () => (await bus.stats()).requests.pending === 0);
  });

  it('share questions among responders: each goes to one of them', async () => {
    const { asker, answerer } = await openPair(kind);
    const counts = [0, 0, 0];
    const responders = counts.map((_, n) =>
      answerer.respond('math.*', (event) => {
        counts[n]!++;
        return square(event);
      }),
    );
    await Promise.all(responders.map(({ ready }) => ready));
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, n) => asker.request<number>(question(n))),
    );
    expect(answers.map(({ payload }) => payload)).toEqual(answers.map((_, n) => n ** 2));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(90);
    for (const count of counts) expect(count).toBeGreaterThan(0);
  });

  it('answer what is in hand before a responder has stopped', async () => {
    const { asker, answerer } = await openPair(kind);
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const responder = answerer.respond('math.*', async (event) => {
      await gate;
      return square(event);
    });
    await responder.ready;
    const asked = asker.request<number>(question(5));
    await until('it is in hand', () => responder.inFlight === 1);
    const stopped = responder.stop();
    await until('it takes no more', () =>
      asker.request(question(1), { timeoutMs: 1 }).then(
        () => false,
        ({ code }) => code === 'NO_RESPONDERS',
      ),
    );
    release();
    expect((await asked).payload).toBe(25);
    await within('its end', stopped);
    await responder.closed;
  });

  it('refuse what is malformed', async () => {
    const { asker, answerer } = await openPair(kind);
    const code = (expected: string) => expect.objectContaining({ code: expected });
    expect(() => answerer.respond('a..b', square)).toThrow(code('PATTERN_INVALID'));
    expect(() => answerer.respond('$sys.*', square)).toThrow(code('PATTERN_INVALID'));
    expect(() => answerer.respond('a', 1 as never)).toThrow(code('OPTION_INVALID'));
    await expect(asker.request(question(1), { timeoutMs: 0 })).rejects.toThrow(
      code('OPTION_INVALID'),
    );
    await expect(asker.request(question(1, 'a.*'))).rejects.toThrow(code('TOPIC_INVALID'));
    await expect(asker.request(question(1n))).rejects.toThrow(code('PAYLOAD_INVALID'));
  });

  it('check the payloads of questions by the definitions of the bus', async () => {
    const numbers = defineTopic('math.square', {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] },
      },
    });
    const { asker, answerer } = await openPair(kind, { topics: [numbers] });
    await answerer.respond('math.*', square).ready;
    await expect(asker.request(question('two'))).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' });
    expect((await asker.request(question(2))).payload).toBe(4);
  });
});

describe('request and respond', () => {
  it('work among threads, and tell the asker of a responder whose thread dies', async () => {
    const bus = await openTestBus({ shards: 2 });
    const { data, transferList } = bus.attachment();
    const worker = new Worker(WORKER, { workerData: data, transferList: [...transferList] });
    await once(worker, 'message');
    expect((await bus.request(question(6))).payload).toBe(36);
    const asked = bus.request(question('stuck'));
    await once(worker, 'message');
    const refused = expect(asked).rejects.toMatchObject({ code: 'RESPONDER_LOST' });
    await worker.terminate();
    await within('the refusal', refused);
    await expect(bus.request(question(6))).rejects.toMatchObject({ code: 'NO_RESPONDERS' });
    expect((await bus.stats()).requests).toEqual({
      responders: 0,
      pending: 0,
      asked: 2,
      answered: 1,
      failed: 1,
      noResponders: 1,
    });
  });

  it('tell the asker of a responder whose process is killed, and it responds again once it is back', async () => {
    const bus = await openTestBus();
    const { url } = await bus.serve({ port: 0 });
    const start = async () => {
      const child = spawn(process.execPath, [fileURLToPath(WORKER), url]);
      await once(child.stdout, 'data');
      return child;
    };
    const child = await start();
    const asked = bus.request(question('stuck'));
    await once(child.stdout, 'data');
    const refused = expect(asked).rejects.toMatchObject({ code: 'RESPONDER_LOST' });
    child.kill('SIGKILL');
    await within('the refusal', refused);
    const next = await start();
    expect((await bus.request(question(3))).payload).toBe(9);
    next.kill('SIGKILL');
  });

  it('register a client’s responder over each connection', async () => {
    const bus = await openTestBus();
    const gateway = await bus.serve({ port: 0 });
    const client = connect(gateway.url);
    await client.respond('math.*', square).ready;
    const operator = connect(gateway.url);
    const { connection } = client.server!;
    await operator.disconnect(connection);
    await until('it is over', () => client.server!.connection !== connection);
    await until('it answers again', () =>
      bus.request(question(2)).then(
        ({ payload }) => payload === 4,
        () => false,
      ),
    );
    await client.close();
  });

  it('refuse requests and end responders when the bus closes', async () => {
    const bus = await openTestBus();
    const responder: Responder = bus.respond('math.*', never);
    await responder.ready;
    const asked = bus.request(question(1));
    await until('it is in hand', () => responder.inFlight === 1);
    await Promise.all([expect(asked).rejects.toMatchObject({ code: 'BUS_CLOSED' }), bus.close()]);
    await responder.closed;
    await expect(bus.request(question(1))).rejects.toMatchObject({ code: 'BUS_CLOSED' });
  });

  it('bound what waits', async () => {
    const bus = await openTestBus();
    const responder = bus.respond('math.*', never);
    await responder.ready;
    const outcomes = Array.from({ length: 1001 }, (_, n) =>
      bus.request(question(n), { timeoutMs: 60_000 }).catch(({ code }) => code),
    );
    expect(await outcomes[1000]).toBe('LIMIT_EXCEEDED');
    expect(responder.inFlight).toBe(1000);
    await bus.close();
    expect(new Set(await Promise.all(outcomes.slice(0, 1000)))).toEqual(new Set(['BUS_CLOSED']));
  });

  it('give each request its own answer, whatever comes and goes', async () => {
    const move = fc.record({ kind: fc.constantFrom('ask', 'respond', 'stop'), n: fc.nat(2) });
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 40 }), async (moves) => {
        const bus = await openTestBus({ shards: 1 });
        const responders = new Map<number, Responder>();
        const answers: Promise<void>[] = [];
        for (const [at, { kind, n }] of moves.entries()) {
          const topic = `topic.${n}`;
          if (kind === 'respond' && !responders.has(n)) {
            const responder = bus.respond(topic, async ({ payload, topic }) => {
              await new Promise((resolve) => setImmediate(resolve));
              return { payload, topic };
            });
            await responder.ready;
            responders.set(n, responder);
          }
          if (kind === 'stop') {
            await responders.get(n)?.stop();
            responders.delete(n);
          }
          if (kind !== 'ask') continue;
          const asked = bus.request(question(at, topic));
          const isHeard = responders.has(n);
          answers.push(
            isHeard
              ? asked.then(({ payload }) => expect(payload).toEqual({ payload: at, topic }))
              : expect(asked).rejects.toMatchObject({ code: 'NO_RESPONDERS' }),
          );
        }
        await Promise.all(answers);
        await bus.close();
      }),
      { numRuns: 30 },
    );
  });
});
