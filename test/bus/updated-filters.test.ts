import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { decodeCursor } from '../../src/protocol/cursor.js';
import type { Event } from '../../src/protocol/event.js';
import { CREDIT_PER_BUFFERED_EVENT } from '../../src/protocol/limits/links.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { Gate, until, within } from './support/wait.js';

/**
 * Where a subscription stands while it has an event in hand. Everything before that event is settled, by the filter
 * that it had then: a later filter must not judge it again, and pruning it is no gap.
 */

const LIVE = { mode: 'live', queued: 0 };

async function publish(bus: Bus, topic: string, count: number, persist = true): Promise<void> {
  const inputs = Array.from({ length: count }, (_, payload) => {
    return { topic, type: 'agent_log', payload };
  });
  await within('the acks', bus.publishMany(inputs, { persist }));
}

/** A subscription that has passed over ten events of `b`, and has an event of `a` in hand that it does not consume. */
async function withEventInHand(bus: Bus, from: 'now' | 'earliest', persist = true) {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let taken = 0;
  const subscription = bus.subscribe(
    'a.x',
    () => {
      taken++;
      return held;
    },
    { from },
  );
  await within('ready', subscription.ready);
  await publish(bus, 'b', 10);
  await until('the position', () => subscription.lag === 0);
  const before = decodeCursor(subscription.cursor).positions;
  await publish(bus, 'a.x', 1, persist);
  await until('the event', () => taken === 1);
  return { subscription, before, release };
}

describe('a subscription with an event in hand', () => {
  test.each([
    ['now', true],
    ['earliest', true],
    ['now', false],
    ['earliest', false],
  ] as const)('from %s stands right before it (persisted: %s)', async (from, persist) => {
    const bus = await openTestBus({ shards: 1 });
    const { subscription, before, release } = await withEventInHand(bus, from, persist);
    expect(before).toEqual([10]);
    expect(decodeCursor(subscription.cursor).positions).toEqual(before);
    expect(subscription.lag).toBe(persist ? 1 : 0);
    release();
  });

  test('resumes by a new filter from there, and gets no event of before', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { subscription, release } = await withEventInHand(bus, 'earliest');
    await within('the update', subscription.update('*'));
    const { cursor } = subscription;
    await within('the end', subscription.unsubscribe());
    release();
    const resumed = await Collector.start(bus, '*', { from: { after: cursor } });
    await publish(bus, 'b', 1);
    await resumed.count(2);
    expect(resumed.events.map(({ sequence }) => sequence)).toEqual([11, 12]);
  });

  test('goes on from there in a shard that has died', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { subscription, before, release } = await withEventInHand(bus, 'earliest');
    await within('the update', subscription.update('*'));
    await within('the restart', controls(bus).killShard(0));
    expect(decodeCursor(subscription.cursor).positions).toEqual(before);
    release();
    await until('the position', () => subscription.lag === 0);
    expect(decodeCursor(subscription.cursor).positions).toEqual([11]);
  });

  test('is told of no gap in what it had passed over', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { subscription, release } = await withEventInHand(bus, 'earliest');
    const { cursor } = subscription;
    await within('the end', subscription.unsubscribe());
    release();
    await within('the pruning', bus.prune({ pattern: 'b', before: new Date(Date.now() + 60_000) }));
    const resumed = await Collector.start(bus, '*', { from: { after: cursor } });
    await resumed.count(1);
    expect(resumed.gaps).toEqual([]);
  });
});

describe('a changed filter', () => {
  test.each([
    ['catch-up', 2],
    ['drop-oldest', 2],
    ['conflate', 1],
    ['block', 2],
  ] as const)(
    'takes out of the queue of a shard what it does not want: %s',
    async (overflow, left) => {
      const bus = await openTestBus({ shards: 1 });
      const gate = new Gate();
      const seen: string[] = [];
      const take = ({ topic }: Event): Promise<void> => {
        seen.push(topic);
        return gate.opened;
      };
      const maxBuffer = 10;
      const window = CREDIT_PER_BUFFERED_EVENT * maxBuffer;
      const subscription = bus.subscribe('*', take, { overflow, maxBuffer });
      await within('ready', subscription.ready);
      await publish(bus, 'old', window);
      await publish(bus, 'old', 4);
      await publish(bus, 'both', 2);
      await publish(bus, 'old', 2);
      const state = async (): Promise<unknown> => {
        const [{ mode, queued } = {}] = await bus.subscribers('none');
        return { mode, queued };
      };
      await within('the update', subscription.update(['both', 'none']));
      expect(await state()).toEqual({ mode: 'queued', queued: left });
      await within('the update', subscription.update('none'));
      // Nothing that it wants waits there any more, so it is live, though it has no credit.
      await until('it is live', async () => isDeepStrictEqual(await state(), LIVE));
      await publish(bus, 'none', 1);
      gate.open();
      await until('the last one', () => seen.includes('none'));
      expect(seen).toEqual([...Array.from({ length: window }, () => 'old'), 'none']);
      expect(subscription.dropped).toBe(overflow === 'conflate' ? 6 : 0);
    },
  );
});
