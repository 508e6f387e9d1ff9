import { writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own that opens the directory and is killed. The first one, told so, publishes what waits and sets the
 * schedules.
 */
const [, , dir, how, waits, startAt] = process.argv;
const bus = await openBus({ dir, shards: 2 });
if (how === 'first') {
  const inputs = Array.from({ length: Number(waits) }, (_, n) => n);
  const publish = (n) =>
    bus.publish(
      { topic: `later.${n % 7}`, type: 'due', payload: n, id: `n-${n}` },
      { deliverAt: new Date(Number(startAt) + n * 20) },
    );
  await Promise.all(inputs.map(publish));
  for (const topic of ['tick.a', 'tick.b']) {
    const event = { topic, type: 'tick', payload: null };
    await bus.schedules.set(topic.replace('.', '-'), { everyMs: 1000, event });
  }
}
writeSync(1, 'ready\n');
// A bus without work keeps no process alive.
setInterval(() => {}, 60_000);
