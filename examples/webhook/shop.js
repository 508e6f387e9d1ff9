import { openBus } from 'millrace';
import { webhook } from 'millrace/sinks';

/**
 * Sells three things, and tells the receiver by webhooks: `node examples/webhook/shop.js [URL]`, with `receiver.js`
 * running. It ends when all are told.
 */
const url = process.argv[2] ?? 'http://127.0.0.1:8080/hooks';
const secret = process.env.WEBHOOK_SECRET ?? 'whsec_bWlsbHJhY2UtZXhhbXBsZS1zZWNyZXQtMzItYnl0ZXM=';

const bus = await openBus({ dir: ':memory:' });
const consumer = await bus.consumer('receiver', {
  filter: 'orders.*',
  from: 'earliest',
  order: 'topic',
  backoffMs: [100, 1000],
  deadLetter: 'dead.receiver',
});
const sink = webhook({
  consumer,
  url,
  secret,
  // The receiver is on this machine, which a webhook does not call unless it is told to.
  allow: ['loopback'],
  onError: (error) => console.log(error.message),
});

for (const [order, total] of [12.5, 30, 7].entries()) {
  await bus.publish({ topic: 'orders.new', type: 'order_created', payload: { order, total } });
}
while ((await consumer.info()).acked < 3) await new Promise((resolve) => setTimeout(resolve, 50));
console.log(`${sink.info().done} told, after ${sink.info().failed} failures`);
await sink.stop();
await bus.close();
