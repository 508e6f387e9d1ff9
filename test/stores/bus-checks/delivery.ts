import { expect, test } from 'vitest';
import { Collector, gather } from '../../bus/support/collector.js';
import { expectSameHistory, expectWithoutHoles, matchesFilter } from '../../bus/support/oracle.js';
import { Gate, until, within } from '../../bus/support/wait.js';
import { type BusSubject, input, inputs, nodes, untilCounted } from './subject.js';

/** From publishes to handlers. */
export function deliveryChecks(subject: BusSubject): void {
  test('deliver the events of all in one order, and each acknowledges its own', async () => {
    const { one, other } = await nodes(subject, 2);
    const here = await Collector.start(one, '*');
    const there = await Collector.start(other, '*');
    const publishes = [one.publishMany(inputs(600, 'one'))];
    for (const event of inputs(200, 'other')) publishes.push(other.publishMany([event]));
    const acks = (await within('all acks', Promise.all(publishes))).flat();
    expectWithoutHoles(acks);
    expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);
    const { durability } = subject;
    expect(new Set(acks.map((ack) => ack.durability))).toEqual(new Set([durability]));
    await Promise.all([here.count(800), there.count(800)]);
    expectSameHistory(here.events, acks, 'one');
    expectSameHistory(there.events, acks, 'the other');
    expectSameHistory(await gather(one.read({ topic: '*' })), acks, 'read by one');
    const counts = Object.fromEntries([0, 1, 2, 3, 4].map((n) => [`t.${n}`, 160]));
    await untilCounted(other, counts);
  });

  test('store an event once that they publish under one id, also when opened again', async () => {
    const { one, other, later } = await nodes(subject);
    const event = { ...input(0), id: 'given' };
    const first = await one.publish(event);
    expect(await other.publish(event)).toEqual({ ...first, duplicate: true });
    const twice = { ...event, id: 'twice' };
    const [a, b] = await other.publishMany([twice, twice]);
    expect([a?.sequence, b?.sequence, a?.duplicate, b?.duplicate]).toEqual([2, 2, false, true]);
    // A node that has the acks has the events.
    expect(await gather(other.read({ topic: '*' }))).toHaveLength(2);
    const bus = await later();
    expect(await bus.publish(event)).toEqual({ ...first, duplicate: true });
    expect(await gather(bus.read({ topic: '*' }))).toHaveLength(2);
  });

  test('go on from a cursor of another node, and of before a restart', async () => {
    const { one, other, later } = await nodes(subject, 2);
    const acks = await one.publishMany(inputs(40, 'one'));
    const begun = await Collector.start(one, '*', { from: 'earliest' });
    await begun.count(40);
    await within('drain', one.drain());
    const { cursor } = begun.subscription;
    const more = await one.publishMany(inputs(40, 'more'));
    for (const open of [async () => other, later]) {
      const bus = await open();
      const rest = await Collector.start(bus, '*', { from: { after: cursor } });
      await rest.count(40);
      expectSameHistory(rest.events, more, 'the rest');
      expectSameHistory(await gather(bus.read({ topic: '*' })), [...acks, ...more], 'all');
      await rest.subscription.unsubscribe();
    }
  });

  test('feed subscriptions that are far behind, each from its place, while others publish', async () => {
    const { one, other } = await nodes(subject);
    const acks = await other.publishMany(inputs(3000, 'before'));
    // The other node has the acks, and this one hears of the events when it does.
    const heard = await Collector.start(one, '*', { from: 'earliest' });
    await heard.count(3000);
    const options = [{ from: 'earliest' as const }, { from: { last: 900 } }, { maxBuffer: 3 }];
    const behind = await Promise.all(options.map((from) => Collector.start(one, '*', from)));
    acks.push(...(await other.publishMany(inputs(3000, 'meanwhile'))));
    await Promise.all([6000, 3900, 3000].map((count, index) => behind[index]!.count(count)));
    expectSameHistory(behind[0]!.events, acks, 'from the earliest on');
    expectSameHistory(behind[1]!.events, acks.slice(-3900), 'the last 900 and live');
    expectSameHistory(behind[2]!.events, acks.slice(-3000), 'live in a small buffer');
  });

  test('filter by topics, types, sources, correlation ids and attributes', async () => {
    const { one, other } = await nodes(subject, 2);
    const all = await Collector.start(other, '*');
    const topics = ['t.*'];
    const filters = [
      { topics: ['t.1', 'u.+'] },
      { topics, types: ['even'] },
      { topics, sources: ['ada'] },
      { topics, correlationIds: ['run-2'] },
      { topics: ['*'], attributes: { agentId: ['1', '2'] }, sources: ['grace'] },
    ];
    const chosen = await Promise.all(filters.map((filter) => Collector.start(other, filter)));
    const events = Array.from({ length: 120 }, (_, n) => ({
      topic: n % 7 === 0 ? `u.${n % 2}` : `t.${n % 3}`,
      type: n % 2 === 0 ? 'even' : 'odd',
      source: n % 5 === 0 ? 'ada' : 'grace',
      ...(n % 3 === 0 ? {} : { correlationId: `run-${n % 3}` }),
      ...(n % 4 === 0 ? {} : { attributes: { agentId: `${n % 4}` } }),
      payload: n,
    }));
    await one.publishMany(events);
    await all.count(events.length);
    for (const [index, filter] of filters.entries()) {
      const expected = all.events.filter((event) => matchesFilter(filter, event));
      await chosen[index]!.count(expected.length);
      expectSameHistory(chosen[index]!.events, expected, JSON.stringify(filter));
      const { topics: topic, ...others } = filter;
      const read = await gather(other.read({ topic, ...others }));
      expectSameHistory(read, expected, `read by ${JSON.stringify(filter)}`);
    }
    await within('drain', other.drain());
    for (const { events: taken } of chosen) expect(taken.length).toBeLessThan(events.length);
  });

  test('leave out for a slow subscription what its overflow policy says', async () => {
    const { one, other } = await nodes(subject);
    const gate = new Gate();
    const start = (overflow: 'drop-oldest' | 'drop-newest' | 'conflate') =>
      Collector.start(other, '*', { overflow, maxBuffer: 5, hold: () => gate.opened });
    const oldest = await start('drop-oldest');
    const newest = await start('drop-newest');
    const conflated = await start('conflate');
    const all = await Collector.start(other, '*');
    const acks = await one.publishMany(inputs(400, 'one'));
    await all.count(400);
    const slow = [oldest, newest, conflated];
    await until('events are left out', () => slow.every((s) => s.subscription.dropped > 0));
    gate.open();
    for (const { events, subscription } of slow) {
      await until('all are delivered or left out', () => {
        return events.length + subscription.dropped === 400;
      });
    }
    const isTaken = (slowOne: Collector) => slowOne.events.map(({ sequence }) => sequence);
    const sequences = acks.map(({ sequence }) => sequence);
    expect(isTaken(newest)).toEqual(sequences.slice(0, newest.events.length));
    expect(isTaken(oldest).slice(-5)).toEqual(sequences.slice(-5));
    expect(isTaken(conflated).slice(-5)).toEqual(sequences.slice(-5));
  });
}
