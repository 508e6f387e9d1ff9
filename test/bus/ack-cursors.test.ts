import { afterEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { PublishAck } from '../../src/protocol/event.js';
import { ANSWERS, type AnsweredBus, ASKS, openAnsweredBus, SHARDS } from './support/answered.js';
import { gather } from './support/collector.js';
import { openTestBus } from './support/open.js';
import { until } from './support/wait.js';

let answered: AnsweredBus | undefined;

afterEach(async () => {
  await answered?.close();
  answered = undefined;
});

const ask = (payload: unknown, n = 0) => ({ topic: ASKS[n % SHARDS]!, type: 'asked', payload });

async function answersAfter(bus: Bus, { cursor, id }: PublishAck): Promise<number> {
  const after = await gather(bus.read({ topic: [...ANSWERS], after: cursor! }));
  return after.filter(({ causationId }) => causationId === id).length;
}

describe('the cursor of an acknowledgement', () => {
  test('stands before every answer to the event, even one stored before the publisher got its ack', async () => {
    answered = await openAnsweredBus();
    const { bus } = answered;
    for (let n = 1; n <= 6; n++) {
      const publish = bus.publish(ask(n, n));
      // The answers are in all logs, and this thread has not looked at its ack.
      answered.waitForAnswers(SHARDS * n);
      expect(await answersAfter(bus, await publish)).toBe(SHARDS);
    }
  });

  test('is there for each event of a publishMany', async () => {
    answered = await openAnsweredBus();
    const { bus } = answered;
    const publish = bus.publishMany([ask(1, 0), ask(2, 1), ask(3, 2), ask(4, 0)]);
    answered.waitForAnswers(SHARDS * 4);
    const acks = await publish;
    expect(new Set(acks.map(({ cursor }) => cursor)).size).toBe(4);
    for (const ack of acks) expect(await answersAfter(bus, ack)).toBe(SHARDS);
  });

  test('stands right behind the event in its shard', async () => {
    const bus = await openTestBus({ shards: 1 });
    const acks: PublishAck[] = [];
    for (let n = 0; n < 5; n++) acks.push(await bus.publish({ topic: 'a', type: 't', payload: n }));
    for (const [index, { cursor }] of acks.entries()) {
      const after = await bus.query({ topic: '*', after: cursor! });
      expect(after.map(({ payload }) => payload)).toEqual([0, 1, 2, 3, 4].slice(index + 1));
    }
    const heard: unknown[] = [];
    bus.subscribe('*', ({ payload }) => void heard.push(payload), {
      from: { after: acks[2]!.cursor! },
    });
    await until('what comes behind the third', () => heard.length === 2);
    expect(heard).toEqual([3, 4]);
  });

  test('moves on with the other logs, as far as the publisher knows them', async () => {
    const bus = await openTestBus({ shards: SHARDS });
    const noise = { topic: ASKS[0]!, type: 'noise', payload: null };
    for (let n = 0; n < 10; n++) await bus.publish(noise);
    const { cursor } = await bus.publish({ topic: ASKS[1]!, type: 't', payload: null });
    expect(await bus.query({ topic: '*', after: cursor! })).toEqual([]);
  });

  test('is absent if this publish stored nothing, and from copies and JSON of the ack', async () => {
    const bus = await openTestBus();
    const input = { topic: 'a', type: 't', payload: 1, id: 'once' };
    const first = await bus.publish(input);
    expect(first.cursor).toEqual(expect.any(String));
    expect({ ...first }).not.toHaveProperty('cursor');
    expect(JSON.parse(JSON.stringify(first))).toEqual({
      id: 'once',
      topic: 'a',
      shard: first.shard,
      sequence: 1,
      durability: 'synced',
      duplicate: false,
    });
    expect((await bus.publish(input)).cursor).toBeUndefined();
    expect((await bus.publish({ ...input, id: 'x' }, { persist: false })).cursor).toBeUndefined();
  });

  test('is not valid for another bus', async () => {
    const [bus, other] = [await openTestBus({ shards: 1 }), await openTestBus({ shards: 1 })];
    const { cursor } = await bus.publish({ topic: 'a', type: 't', payload: 1 });
    const query = other.query({ topic: '*', after: cursor! });
    await expect(query).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  });
});
