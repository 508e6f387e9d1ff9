import { connect } from 'millrace/client';
import { makeInput } from './load.js';

/**
 * The publisher of `bench/dashboard-rate.js`, in a process of its own: so many events a second over a WebSocket, each
 * sent at its time. It tells the number of events when all are acknowledged.
 */

const TOPICS = 100;

process.on('message', async (message) => {
  const { url, rate, seconds } = /** @type {{ url: string, rate: number, seconds: number }} */ (
    message
  );
  const client = connect(url, { source: 'bench' });
  const events = rate * seconds;
  const started = performance.now();
  for (let n = 0; n < events; ) {
    const due = Math.min(events, Math.floor(((performance.now() - started) * rate) / 1000));
    for (; n < due; n += 1) {
      const input = makeInput(`load.${n % TOPICS}`, n);
      while (!client.tryPublish(input, { durability: 'written' })) await client.drained();
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await client.drain();
  const took = (performance.now() - started) / 1000;
  await client.close();
  process.send?.({ events, rate: events / took });
  process.disconnect();
});
