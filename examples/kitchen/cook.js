import { once } from 'node:events';
import { open } from './bus.js';

/**
 * The kitchen: `node cook.js`, as many as you like, until they get SIGTERM or Ctrl-C. Each order goes to one cook, and
 * those of one table are cooked one after the other. An order that a cook dies over is cooked by another one, and its
 * meal has the order's id: it is stored once. On a directory all wait for another process when the one ends that opened it.
 */
const bus = await open();
const orders = await bus.consumer('kitchen', {
  filter: 'orders.*',
  from: 'earliest',
  order: 'topic',
});
const run = orders.run(cook, { concurrency: 4 });
console.log('cooking');

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
await run.stop();
await bus.close();

async function cook({ event }) {
  await bus.publish({
    id: event.id,
    topic: event.topic.replace('orders.', 'meals.'),
    type: 'meal_cooked',
    correlationId: event.correlationId,
    payload: event.payload,
  });
}
