import { expect } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { EventHandler, Subscription } from '../../../src/protocol/bus-api.js';

/** The shard takes longer for these patterns than calls are apart, so that the ring of the calls gets full. */
export const SLOW_PATTERNS = Array.from({ length: 60 }, (_, n) => `other.+.${n}.*`);

const SUBSCRIPTIONS_MAX = 10_000;
const SUBSCRIPTIONS_A_ROUND = 250;

/**
 * Subscribes to `t` at once until calls wait for room: the shard cannot keep up with that, whatever its thread gets to
 * run. Until the caller next awaits, no publish is taken. Some events of type `probe` may have been published to `t`.
 */
export function fillCommandRing(bus: Bus, handler: EventHandler = () => {}): Subscription[] {
  const subscriptions: Subscription[] = [];
  let isFull = false;
  while (!isFull && subscriptions.length < SUBSCRIPTIONS_MAX) {
    for (let n = 0; n < SUBSCRIPTIONS_A_ROUND; n++) {
      subscriptions.push(bus.subscribe(['t', ...SLOW_PATTERNS], handler));
    }
    isFull = !bus.tryPublish({ topic: 't', type: 'probe', payload: null });
  }
  expect(isFull).toBe(true);
  return subscriptions;
}
