import { afterEach, describe, expect, test } from 'vitest';
import type { BusApi } from '../../src/protocol/bus-api.js';
import {
  ANSWERS,
  type AnsweredBus,
  ASKS,
  openAnsweredBus,
  SHARDS,
} from '../bus/support/answered.js';
import { gather } from '../bus/support/collector.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from './support/millrace-client.js';

let answered: AnsweredBus | undefined;

afterEach(async () => {
  await answered?.close();
  answered = undefined;
});

const ask = (n: number) => ({ topic: ASKS[n % SHARDS]!, type: 'asked', payload: n });

async function answersAfter(api: BusApi, cursor: string, causes: readonly string[]) {
  const answers = await gather(api.read({ topic: [...ANSWERS], after: cursor }));
  return answers.filter(({ causationId }) => causes.includes(causationId!)).length;
}

async function serveAnswered() {
  answered = await openAnsweredBus();
  const { url } = await answered.bus.serve({ port: 0 });
  return { bus: answered.bus, url, waitForAnswers: answered.waitForAnswers };
}

describe('the cursor of an acknowledgement that comes over a connection', () => {
  test('stands before every answer to the event', async () => {
    const { url, waitForAnswers } = await serveAnswered();
    const { client } = connectTo(url);
    for (let n = 1; n <= 4; n++) {
      const { id, cursor } = await client.publish(ask(n));
      waitForAnswers(SHARDS * n);
      expect(await answersAfter(client, cursor!, [id])).toBe(SHARDS);
      const after = await client.query({ topic: ASKS[n % SHARDS]!, after: cursor! });
      expect(after).toEqual([]);
    }
  });

  test('is there for each event of a publishMany, and not for duplicates', async () => {
    const { url, waitForAnswers } = await serveAnswered();
    const { client } = connectTo(url);
    await client.publish({ ...ask(0), id: 'once' });
    const acks = await client.publishMany([ask(1), { ...ask(0), id: 'once' }, ask(2)]);
    waitForAnswers(SHARDS * 3);
    expect(acks[1]!.cursor).toBeUndefined();
    for (const { id, cursor } of [acks[0]!, acks[2]!]) {
      expect(await answersAfter(client, cursor!, [id])).toBe(SHARDS);
    }
  });

  test('is sent as a header of an HTTP answer', async () => {
    const { bus, url, waitForAnswers } = await serveAnswered();
    const publish = async (body: string, type = 'application/json') => {
      const headers = { 'content-type': type };
      const response = await fetch(`${url}/v1/events`, { method: 'POST', headers, body });
      return { response, cursor: response.headers.get('millrace-cursor')! };
    };
    const one = await publish(JSON.stringify(ask(1)));
    const [{ id }] = (await one.response.json()) as [{ id: string }];
    waitForAnswers(SHARDS);
    expect(await answersAfter(bus, one.cursor, [id])).toBe(SHARDS);
    expect(await bus.query({ topic: ASKS[1]!, after: one.cursor })).toEqual([]);
    const lines = `${JSON.stringify(ask(1))}\n${JSON.stringify(ask(2))}\n`;
    const bodies = [
      [JSON.stringify([ask(0), ask(1), ask(2)])],
      [lines, 'application/x-ndjson'],
    ] as const;
    let asked = 1;
    for (const [body, type] of bodies) {
      const many = await publish(body, type);
      const text = await many.response.text();
      const acks: { id: string }[] =
        type === undefined
          ? JSON.parse(text)
          : text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line));
      asked += acks.length;
      waitForAnswers(SHARDS * asked);
      const ids = acks.map(({ id }) => id);
      expect(await answersAfter(bus, many.cursor, ids)).toBe(SHARDS * ids.length);
    }
  });
});

test('a client that may read nothing does not learn how much others publish', async () => {
  const bus = await openTestBus();
  const { url } = await bus.serve({ port: 0, auth: { anonymous: { publish: ['a'] } } });
  const { client } = connectTo(url);
  const ack = await client.publish({ topic: 'a', type: 't', payload: 1 });
  expect(ack.cursor).toBeUndefined();
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic: 'a', type: 't', payload: 1 }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('millrace-cursor')).toBeNull();
});
