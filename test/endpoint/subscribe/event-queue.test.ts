import { expect, test } from 'vitest';
import { ITSELF } from '../../../src/endpoint/asker.js';
import { EventQueue } from '../../../src/endpoint/subscribe/event-queue.js';
import { newPart } from '../../../src/endpoint/subscribe/shard-part.js';
import { eventOf } from './subscription-host.js';

test('the credit that waiting events hold is known in events and in bytes, so that a new shard is given the rest', () => {
  const part = newPart(0);
  const queue = new EventQueue([part], 16, ITSELF, () => {});
  const held = () => [part.credited, part.creditedBytes];
  queue.push(part, eventOf(1), 100);
  queue.push(part, eventOf(2), 50);
  queue.pushHistory(part, eventOf(3), 7);
  queue.push(part, eventOf(4), 20);
  expect(held()).toEqual([3, 170]);
  queue.take();
  expect(held()).toEqual([3, 170]);
  queue.settle();
  expect(held()).toEqual([2, 70]);
  queue.take();
  queue.clear();
  expect(held()).toEqual([1, 50]);
  queue.settle();
  expect(held()).toEqual([0, 0]);
});
