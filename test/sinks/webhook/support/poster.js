// Posts one event to the url of its argument, in a process whose environment names a proxy.
import { openBus } from '../../../../dist/index.js';
import { webhook } from '../../../../dist/sinks.js';

const [, , url] = process.argv;
const bus = await openBus({ dir: ':memory:' });
const consumer = await bus.consumer('hooks', { filter: 'orders.*', from: 'earliest' });
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const sink = webhook({ consumer, url, secret, allow: ['loopback'] });
await bus.publish({ topic: 'orders.new', type: 'order_created', payload: 1 });
while ((await consumer.info()).acked === 0) await new Promise((resolve) => setTimeout(resolve, 5));
await sink.stop();
await bus.close();
// How the environment's proxy is used where nobody prevents it: by Node 24, which asks for a tunnel, and later, which hands
// it the request.
await fetch(url, { method: 'POST', body: 'fetch' }).catch(() => {});
