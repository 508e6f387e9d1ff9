import { describe, expect, it } from 'vitest';
import { ConflatedQueue, type QueuedEvent } from '../../src/shards/queued-events.js';

const RECORD = Buffer.alloc(0);
const event = (topic: string, sequence: number): QueuedEvent => ({
  topic,
  sequence,
  record: RECORD,
  expiry: 0,
  queuedAt: 0,
});

function queueOf(...events: QueuedEvent[]) {
  const queue = new ConflatedQueue();
  const replaced = events.map((one) => queue.push(one)?.sequence);
  return { queue, replaced };
}

describe('a queue that conflates', () => {
  it('keeps the newest event of each topic, behind the others, and returns what it replaces', () => {
    const { queue, replaced } = queueOf(event('a', 1), event('b', 2), event('a', 3), event('a', 4));
    expect(replaced).toEqual([undefined, undefined, 1, 3]);
    expect([...queue].map(({ sequence }) => sequence)).toEqual([2, 4]);
    expect([queue.length, queue.has('a'), queue.has('c')]).toEqual([2, true, false]);
  });

  it('gives the oldest first, once', () => {
    const { queue } = queueOf(event('a', 1), event('b', 2));
    expect([queue.peek()?.sequence, queue.peek()?.sequence]).toEqual([1, 1]);
    expect([queue.shift(), queue.shift(), queue.shift()].map((one) => one?.sequence)).toEqual([
      1,
      2,
      undefined,
    ]);
    expect([queue.length, queue.peek()]).toEqual([0, undefined]);
  });

  it('is empty once it is cleared', () => {
    const { queue } = queueOf(event('a', 1));
    queue.clear();
    expect([queue.length, queue.has('a'), [...queue]]).toEqual([0, false, []]);
  });
});
