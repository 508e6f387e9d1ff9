import { expect, onTestFinished, test, vi } from 'vitest';
import { DELIVERY_SUPPLY } from '../../src/link/consumer-records.js';
import { RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { PRODUCER_WAITING } from '../../src/ring/ring-descriptor.js';
import { TestLink } from './support.js';

test('an end sees the room that its endpoint makes just after it was asked, though it is too little', () => {
  const link = new TestLink(4096);
  const end = link.shardEnd();
  const endpoint = new RingConsumer(link.end.memory.deliveryRing);
  const send = (length: number) => end.trySend(DELIVERY_SUPPLY, length, () => {});
  const takeOne = () => {
    endpoint.read(() => undefined, 1);
    return endpoint.release();
  };
  while (send(24));
  takeOne();
  expect(end.mayHaveRoom).toBe(true);

  const { setWaiting } = RingProducer.prototype;
  const spy = vi.spyOn(RingProducer.prototype, 'setWaiting');
  onTestFinished(() => spy.mockRestore());
  const woken: boolean[] = [];
  spy.mockImplementation(function (this: RingProducer) {
    setWaiting.call(this);
    woken.push(takeOne());
  });
  expect(send(400)).toBe(false);
  // The wake-up is spent: the end would sleep until its timeout if it did not look again.
  expect(woken).toEqual([true]);
  expect(end.mayHaveRoom).toBe(true);
});

test('an end asks again for room where the wake-up was for room that it had seen', () => {
  const link = new TestLink(4096);
  const end = link.shardEnd();
  const endpoint = new RingConsumer(link.end.memory.deliveryRing);
  const send = (length: number) => end.trySend(DELIVERY_SUPPLY, length, () => {});
  while (send(24));
  expect(send(24)).toBe(false);
  endpoint.read(() => undefined, 1);

  // The endpoint makes room, the end finds it too small and asks for more, and only then does the endpoint look for who waits.
  const { load } = Atomics;
  const spy = vi.spyOn(Atomics, 'load');
  onTestFinished(() => spy.mockRestore());
  spy.mockImplementation(((words: Int32Array, index: number) => {
    if (index === PRODUCER_WAITING) {
      spy.mockImplementation(load as typeof Atomics.load);
      expect(send(400)).toBe(false);
    }
    return load(words, index);
  }) as typeof Atomics.load);
  expect(endpoint.release()).toBe(true);
  expect(end.mayHaveRoom).toBe(true);

  // It finds too little once more, and may sleep until it is woken.
  expect(send(400)).toBe(false);
  expect(end.mayHaveRoom).toBe(false);
  endpoint.read(() => undefined, 1);
  expect(endpoint.release()).toBe(true);
});
