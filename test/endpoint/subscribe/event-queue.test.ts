import { expect, test } from 'vitest';
import { ITSELF } from '../../../src/endpoint/asker.js';
import { EventQueue } from '../../../src/endpoint/subscribe/event-queue.js';
import { newProgress } from '../../../src/endpoint/subscribe/shard-progress.js';
import { eventOf } from './subscription-host.js';

test('a queue counts the credit of waiting events in events and bytes, so that a restarted shard gets the rest', () => {
  const progress = newProgress(0);
  const queue = new EventQueue([progress], 16, ITSELF, () => {});
  const held = () => [progress.credited, progress.creditedBytes];
  queue.push(progress, eventOf(1), 100);
  queue.push(progress, eventOf(2), 50);
  queue.pushHistory(progress, eventOf(3), 7);
  queue.push(progress, eventOf(4), 20);
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
