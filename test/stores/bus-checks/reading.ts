import { expect, test } from 'vitest';
import type { PublishAck } from '../../../src/protocol/event.js';
import { Collector, gather } from '../../bus/support/collector.js';
import { expectSameHistory } from '../../bus/support/oracle.js';
import { RemoteEndpoint } from '../../bus/support/remote-endpoint.js';
import { type BusSubject, input, inputs, nodes, untilCounted } from './subject.js';

/** What was stored, and how it is found. */
export function readingChecks(subject: BusSubject): void {
  test('find at once what they have acknowledged', async () => {
    const { one } = await nodes(subject);
    for (let n = 0; n < 30; n++) {
      const { id } = await one.publish(input(n, 'one', 1));
      expect((await one.query({ topic: 't.0', reverse: true, limit: 1 }))[0]?.id).toBe(id);
    }
  });

  test('keep any topic, payload and id as they are', async () => {
    const { one, other } = await nodes(subject);
    const topics = [
      'größe.日本',
      'a>b.>',
      '%3E.%',
      'a.$sys',
      '🙂.x',
      '-_~!@#^&()=|\\/;:"\'<,?`{}[]',
    ];
    const seen = await Collector.start(other, '*');
    for (const topic of topics) {
      await one.publish({ topic, type: 'ü', payload: { topic }, id: 'one' });
    }
    await seen.count(topics.length);
    expect(seen.events.map(({ topic }) => topic)).toEqual(topics);
    expect(seen.payloads).toEqual(topics.map((topic) => ({ topic })));
    const read = await gather(one.read({ topic: '*' }));
    expect(read.map(({ topic, payload, id }) => ({ topic, payload, id }))).toEqual(
      topics.map((topic) => ({ topic, payload: { topic }, id: 'one' })),
    );
  });

  test('know all topics, and the newest event of each, when they are opened again', async () => {
    const { one, other, later } = await nodes(subject, 2);
    const acks = await one.publishMany([...inputs(23, 'one'), { ...input(0), topic: 'once.>' }]);
    const known = await one.topics();
    expect(known).toHaveLength(6);
    await untilCounted(other, Object.fromEntries(known.map(({ name, events }) => [name, events])));
    const newest = new Map(acks.map((ack) => [ack.topic, ack.id]));
    for (const open of [async () => other, later]) {
      const bus = await open();
      expect(await bus.topics()).toEqual(known);
      const latest = await gather(bus.latest('*'));
      expect(new Map(latest.map(({ topic, id }) => [topic, id]))).toEqual(newest);
      expect(latest).toHaveLength(6);
      const { id, sequence, shard } = acks[7]!;
      expect(await bus.get('t.+', id)).toMatchObject({ id, sequence, shard });
      expect(await bus.get('u.*', id)).toBeUndefined();
    }
  });

  test('find the few events of a topic among many, forwards, backwards and within times', async () => {
    const { one } = await nodes(subject);
    const rare: PublishAck[] = [];
    for (let n = 0; n < 4; n++) {
      await one.publishMany(inputs(700, 'many'));
      rare.push(await one.publish({ ...input(n), topic: `rare.${n % 2}` }));
    }
    const found = async (topic: string, reverse: boolean) =>
      (await gather(one.read({ topic, reverse }))).map(({ sequence }) => sequence);
    const all = rare.map(({ sequence }) => sequence);
    expect(await found('rare.*', false)).toEqual(all);
    expect(await found('rare.*', true)).toEqual(all.toReversed());
    expect(await found('rare.1', false)).toEqual([all[1], all[3]]);
    expect(await found('+.0', true)).toEqual([...(await found('+.0', false))].reverse());
    expect(await found('none.*', false)).toEqual([]);
    const events = await gather(one.read({ topic: 'rare.*' }));
    const [since, until] = [events[1]!.timestamp, events[3]!.timestamp];
    const isWithin = ({ timestamp }: { timestamp: string }) =>
      Date.parse(timestamp) >= Date.parse(since) && Date.parse(timestamp) < Date.parse(until);
    const within = await gather(one.read({ topic: 'rare.*', since, until }));
    expectSameHistory(within, events.filter(isWithin), 'within times');
    const { cursor } = rare[1]!;
    const behind = await one.query({ topic: 'rare.*', after: cursor!, limit: 1 });
    expectSameHistory(behind, [rare[2]!], 'behind a cursor');
  });

  test('take large events, also from other threads, and wake for each', async () => {
    const { one, other } = await nodes(subject, 1, { ringBytes: 16_384 });
    const live = await Collector.start(other, '*');
    const worker = await RemoteEndpoint.attach(one);
    const large = { ...input(0), payload: 'é'.repeat(100_000) };
    const acks: PublishAck[] = [];
    for (let n = 0; n < 5; n++) {
      acks.push(await one.publish(large), ...(await worker.publishMany([large, input(n)])));
    }
    await live.count(15);
    expectSameHistory(live.events, acks, 'live');
    expect(live.payloads[0]).toBe(large.payload);
    await worker.terminate();
  });
}
