import { describe, expect, it } from 'vitest';
import { newKey } from '../../auth/support/auth.js';
import { controls } from '../../bus/support/millrace.js';
import { until } from '../../bus/support/wait.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { ask, publish, serve, type Taken } from './support.js';

/** Acks that come with events, over HTTP and from a client. */

const WORKER = { filter: 'jobs.*', from: 'earliest' };
const ACK = '/v1/consumers/worker/ack';

async function pulled(url: string, key?: ReturnType<typeof newKey>): Promise<Taken> {
  const body = { waitMs: 30_000 };
  const options = key === undefined ? {} : { key };
  const answer = await ask(url, 'POST', '/v1/consumers/worker/pull', body, options);
  return answer.body[0];
}

const follow = (topic: string, payload: unknown = 1) => ({ topic, type: 'done', payload });

describe('an ack with events over HTTP', () => {
  it('stores both, once, and the payloads as they were written', async () => {
    const { bus, url } = await serve([], {}, 1);
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    await publish(bus, 1);
    const { lease } = await pulled(url);
    const text = `{"lease":"${lease}","publish":[{"topic":"done.a","type":"done","payload":{"big":9007199254740993}}]}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}${ACK}`, { method: 'POST', headers, body: text });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ acks: [{ topic: 'done.a', duplicate: false }] });
    const events = await fetch(`${url}/v1/events?topic=done.a`);
    expect(await events.text()).toContain('"big":9007199254740993');
    const again = await ask(url, 'POST', ACK, { lease, publish: [follow('done.a')] });
    expect(again).toMatchObject({ status: 409, body: { code: 'LEASE_LOST' } });
    expect(await bus.query({ topic: 'done.*' })).toHaveLength(1);
    const { body } = await ask(url, 'GET', '/v1/consumers/worker');
    expect(body).toMatchObject({ acked: 1, inFlight: 0 });
  });

  it('publishes later what has a delay, and acknowledges at once', async () => {
    const { bus, url } = await serve([], {}, 1);
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER);
    await publish(bus, 1);
    const { lease } = await pulled(url);
    const body = { lease, publish: [follow('done.a')], delayMs: 3_600_000 };
    const malformed = await ask(url, 'POST', ACK, { ...body, delayMs: 'soon' });
    expect(malformed).toMatchObject({ status: 400 });
    const answer = await ask(url, 'POST', ACK, body);
    expect(answer).toMatchObject({ status: 200, body: { acks: [{ topic: 'done.a' }] } });
    expect(answer.body.acks[0].deliverAt).toEqual(expect.any(String));
    expect(answer.body.acks[0]).not.toHaveProperty('sequence');
    expect((await bus.scheduled()).publishes).toMatchObject([{ topic: 'done.a' }]);
    expect(await bus.query({ topic: 'done.*' })).toEqual([]);
    expect(await (await bus.consumer('worker')).info()).toMatchObject({ acked: 1, inFlight: 0 });
  });

  it('needs the grant to publish, and names what is malformed', async () => {
    const key = newKey({
      name: 'worker',
      consume: ['worker'],
      subscribe: ['jobs.*'],
      publish: ['done.*'],
    });
    const admin = newKey({
      name: 'admin',
      consume: ['*'],
      subscribe: ['*'],
      publish: ['*'],
      admin: ['*'],
    });
    const { bus, url } = await serve([key, admin], {}, 1);
    await ask(url, 'PUT', '/v1/consumers/worker', WORKER, { key: admin });
    await publish(bus, 1);
    const { lease } = await pulled(url, key);
    const post = (body: unknown) => ask(url, 'POST', ACK, body, { key });
    expect(await post({ lease, publish: [follow('secret.a')] })).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN' },
    });
    for (const body of [
      { lease, publish: [] },
      { lease, publish: follow('done.a') },
      { lease, publish: [follow('done.a')], count: false },
      { leases: [lease], publish: [follow('done.a')] },
    ]) {
      expect(await post(body)).toMatchObject({ status: 400, body: { code: 'MESSAGE_INVALID' } });
    }
    expect(await bus.query({ topic: 'done.*' })).toEqual([]);
    expect(await post({ lease, publish: [follow('done.a')] })).toMatchObject({ status: 200 });
  });
});

describe('ackAndPublish of a client', () => {
  it('stores both, and refuses a second word on the event', async () => {
    const { bus, url } = await serve([], {}, 1);
    const { client } = connectTo(url);
    const consumer = await client.consumer('worker', { filter: 'jobs.*', from: 'earliest' });
    const outcomes: unknown[] = [];
    const run = consumer.run(async (delivery) => {
      outcomes.push(await delivery.ackAndPublish([follow('done.a', 7)]));
      outcomes.push(await delivery.nak().catch((error) => error.code));
    });
    await publish(bus, 1);
    await until('both are told', () => outcomes.length === 2);
    expect(outcomes).toMatchObject([[{ topic: 'done.a' }], 'LEASE_LOST']);
    await run.stop();
    await publish(bus, 1);
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    await delivery!.ackAndPublish([follow('done.b')]);
    expect((await bus.query({ topic: 'done.*' })).map(({ topic }) => topic)).toEqual([
      'done.a',
      'done.b',
    ]);
    expect(await consumer.info()).toMatchObject({ acked: 2, inFlight: 0 });
  });

  it('leaves the event leased where the events are refused', async () => {
    const { bus, url } = await serve([], {}, 1);
    const { client } = connectTo(url);
    const consumer = await client.consumer('worker', { filter: 'jobs.*', from: 'earliest' });
    await publish(bus, 1);
    await bus.publish(follow('done.a'));
    const [delivery] = await consumer.pull({ waitMs: 30_000 });
    const expected = delivery!.ackAndPublish([follow('done.a')], { expect: 'none' });
    await expect(expected).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(delivery!.ackAndPublish([follow('$sys.a')])).rejects.toMatchObject({
      code: 'TOPIC_INVALID',
    });
    await delivery!.ackAndPublish([follow('done.a')]);
    expect(await bus.query({ topic: 'done.*' })).toHaveLength(2);
  });

  it('gives every job one follow-up while threads of its shard are killed', async () => {
    const { bus, url } = await serve([], {}, 1);
    const { client } = connectTo(url);
    const options = { leaseMs: 600_000, maxAttempts: 1000, backoffMs: [0] };
    const consumer = await client.consumer('worker', {
      filter: 'jobs.*',
      from: 'earliest',
      ...options,
    });
    const total = 1200;
    const errors: unknown[] = [];
    let done = 0;
    const run = consumer.run(
      async (delivery) => {
        try {
          await delivery.ackAndPublish([follow('done.a', delivery.event.payload)]);
          done++;
        } catch (error) {
          errors.push(error);
        }
      },
      { concurrency: 32 },
    );
    const inputs = Array.from({ length: total }, (_, n) => follow('jobs.a', n));
    await bus.publishMany(inputs);
    for (let mark = 200; mark < total; mark += 300) {
      await until('it goes on', () => done >= mark, 60_000);
      await controls(bus).killShard(0);
    }
    await until('all are done', () => done === total, 60_000);
    await run.stop();
    expect(errors).toEqual([]);
    const followed = await bus.query({ topic: 'done.*', limit: 10_000 });
    expect(followed.map(({ payload }) => payload).sort((a, b) => Number(a) - Number(b))).toEqual(
      inputs.map(({ payload }) => payload),
    );
  }, 120_000);
});
