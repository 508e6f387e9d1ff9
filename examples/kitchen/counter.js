import { randomUUID } from 'node:crypto';
import { open } from './bus.js';

/**
 * The counter of a small restaurant: `node counter.js [ORDERS]`, 20 by default. It orders for five tables, and shows the
 * meals as they come: each once, and those of a table in its order.
 */
const TABLES = 5;
const count = Number(process.argv[2] ?? 20);
if (!(count >= 1)) throw new Error('usage: node counter.js [ORDERS]');
const evening = randomUUID();

const bus = await open();
/** @type {import('millrace').Subscription<{ number: number }>} */
const meals = bus.subscribe({ topics: ['meals.*'], correlationIds: [evening] });
await meals.ready;

const orders = Array.from({ length: count }, (_, number) => ({
  id: `${evening}-${number}`,
  topic: `orders.table-${number % TABLES}`,
  type: 'meal_ordered',
  correlationId: evening,
  payload: { number },
}));
const acks = await bus.publishMany(orders);
console.log(`${acks.length} orders are ${acks[0].durability}`);

const last = Array.from({ length: TABLES }, () => -1);
let served = 0;
for await (const { topic, payload } of meals) {
  console.log(`${topic.slice('meals.'.length)} gets meal ${payload.number}`);
  const table = payload.number % TABLES;
  if (payload.number <= last[table]) throw new Error(`meal ${payload.number} came again, or late`);
  last[table] = payload.number;
  served += 1;
  if (served === count) break;
}
console.log(`${served} meals, each once, in the order of each table`);
await bus.close();
