import { expect, test } from 'vitest';
import { DeliveryLoop } from '../../../src/endpoint/links/delivery-loop.js';

test('timers run although every reading of the rings finds a little more', async () => {
  // Far more readings than fit into one turn; after them the loop would find nothing.
  let looksLeft = 5_000_000;
  const end = {
    isIdle: true,
    drain: (): number => (looksLeft-- > 0 ? 1 : 0),
  };
  const loop = new DeliveryLoop(new SharedArrayBuffer(4), [end], () => {});
  const timer = new Promise<number>((resolve) => setTimeout(() => resolve(looksLeft), 0));
  loop.run();
  expect(await timer).toBeGreaterThan(0);
  loop.stop();
});
