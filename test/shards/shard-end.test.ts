import { expect, onTestFinished, test, vi } from 'vitest';
import { DELIVERY_SUPPLY } from '../../src/link/consumer-records.js';
import { RingConsumer, RingProducer } from '../../src/ring/ring.js';
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
