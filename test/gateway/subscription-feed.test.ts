import { describe, expect, it } from 'vitest';
import { ITSELF } from '../../src/endpoint/asker.js';
import { CursorTexts } from '../../src/gateway/cursor-texts.js';
import {
  type FeedEncoder,
  type FeedPlace,
  SubscriptionFeed,
} from '../../src/gateway/subscription-feed.js';
import { decodeCursor, encodeCursor } from '../../src/protocol/cursor.js';
import { BusError } from '../../src/protocol/errors.js';
import { FakeEndpoint } from './support/fake-endpoint.js';

const positionOf = (cursor: string) => decodeCursor(cursor).positions[0];
const later = () => new Promise((resolve) => setImmediate(resolve));

/** A feed whose encoder writes into a list, as `name position`. */
async function opened(window?: { events: number }) {
  const endpoint = new FakeEndpoint();
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  const outbound = {
    isCongested: false,
    relieved: () => new Promise<void>((resolve) => waiting.push(resolve)),
  };
  const encoderOf = (place: FeedPlace): FeedEncoder => ({
    add: (event) => {
      written.push(`event ${positionOf(place.cursorAfter(event))}`);
      return 1;
    },
    flush: () => {},
    gap: ({ from }) => void written.push(`gap ${from}`),
    caughtUp: () => void written.push(`caughtUp ${positionOf(place.cursor)}`),
    dropped: (count) => void written.push(`dropped ${count}`),
    ended: (error) => void written.push(`ended ${(error as BusError).code}`),
  });
  const feed = new SubscriptionFeed(outbound, new CursorTexts(endpoint.epoch), encoderOf);
  const opening = feed.open(endpoint, { filter: 'a', options: {}, window }, ITSELF);
  const [subscription] = endpoint.subscriptions;
  const publish = () => endpoint.publish({ topic: 'a', type: 'note', payload: 1 });
  await opening;
  const relieved = (): void => {
    outbound.isCongested = false;
    for (const relieve of waiting.splice(0)) relieve();
  };
  return { feed, written, outbound, relieved, publish, subscription: subscription! };
}

describe('a feed', () => {
  it('writes nothing before it is announced, and after that everything in order', async () => {
    const { feed, written, publish, subscription } = await opened();
    subscription.emit('gap', { shard: 0, from: 1, to: 2, reason: 'pruned' });
    await publish();
    await publish();
    await later();
    expect(written).toEqual([]);
    feed.announce();
    await later();
    expect(written.slice(0, 3)).toEqual(['gap 1', 'event 1', 'event 2']);
  });

  it('takes no further event while its client is congested or its window is full', async () => {
    const { feed, written, outbound, relieved, publish } = await opened({ events: 3 });
    feed.announce();
    outbound.isCongested = true;
    for (let n = 0; n < 5; n++) await publish();
    await later();
    const events = () => written.filter((one) => one.startsWith('event'));
    expect(events()).toHaveLength(1);
    relieved();
    await later();
    expect(events()).toHaveLength(3);
    feed.consumed(1);
    await later();
    expect(events()).toHaveLength(4);
    await feed.close();
  });

  it('counts dropped events, and reports them once there is room', async () => {
    const { feed, written, outbound, relieved, subscription } = await opened();
    feed.announce();
    outbound.isCongested = true;
    await later();
    for (const count of [2, 3]) subscription.emit('dropped', { count });
    await later();
    expect(written.filter((one) => one.startsWith('dropped'))).toEqual([]);
    relieved();
    await later();
    expect(written.filter((one) => one.startsWith('dropped'))).toEqual(['dropped 5']);
    await feed.close();
  });

  it('reports dropped events between the events that it had taken and the next one', async () => {
    const { feed, written, outbound, relieved, publish, subscription } = await opened();
    feed.announce();
    await publish();
    outbound.isCongested = true;
    await publish();
    subscription.emit('dropped', { count: 4 });
    await publish();
    await later();
    relieved();
    await later();
    const told = written.filter((one) => !one.startsWith('caughtUp'));
    expect(told).toEqual(['event 1', 'event 2', 'dropped 4', 'event 3']);
    await feed.close();
  });

  it('reports once and last why the bus ended it, and reports nothing if the client left', async () => {
    const one = await opened();
    one.feed.announce();
    one.subscription.fail(new BusError('SLOW_CONSUMER', 'too slow'));
    await later();
    await one.publish();
    await later();
    expect(one.written.at(-1)).toBe('ended SLOW_CONSUMER');
    const other = await opened();
    other.feed.announce();
    await other.feed.close();
    expect(other.written.filter((line) => line.startsWith('ended'))).toEqual([]);
  });
});

describe('cursors as text', () => {
  it('decode to their positions, and are the same text for the same positions', () => {
    const cursors = new CursorTexts('e');
    const event = (shard: number, sequence?: number) =>
      ({ shard, sequence }) as Parameters<CursorTexts['of']>[1];
    const text = cursors.of([5, 7], event(1, 9));
    expect(text).toBe(encodeCursor({ epoch: 'e', positions: [5, 9] }));
    expect(cursors.of([5, 9], undefined)).toBe(text);
    // Neither an event before the positions nor an ephemeral event changes the cursor.
    expect(cursors.of([5, 9], event(1, 3))).toBe(text);
    expect(cursors.of([5, 9], event(0))).toBe(text);
    for (let n = 0; n < 5000; n++) {
      const positions = [n, n * n];
      expect(cursors.of(positions, undefined)).toBe(encodeCursor({ epoch: 'e', positions }));
    }
  });
});
