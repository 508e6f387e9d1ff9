import { connect } from 'millrace/client';
import { makeInput } from './load.js';

/**
 * The publisher of `bench/dashboard-rate.js`, in a process of its own: so many events a second over a WebSocket, each
 * sent at its time, those of about 2 ms in one frame. It tells how many they were when all are acknowledged. With
 * `goesOn` it publishes for that time at least, and on until it is told to `stop`.
 */

const TOPICS = 100;
/** Events of one frame: a publisher that was held up catches up in steps. */
const FRAME_MAX = 500;
/** Events without an acknowledgement, beyond which the publisher waits. */
const AHEAD_MAX = 5000;

/** @typedef {{ url: string, rate: number, seconds: number, goesOn?: boolean }} Order */

process.once('message', async (message) => {
  const { url, rate, seconds, goesOn = false } = /** @type {Order} */ (message);
  let mayEnd = !goesOn;
  process.once('message', () => {
    mayEnd = true;
  });
  const client = connect(url, { source: 'bench' });
  const least = rate * seconds;
  /** @type {Promise<unknown>[]} */
  const sending = [];
  const started = performance.now();
  let events = 0;
  while (events < least || !mayEnd) {
    const due = Math.floor(((performance.now() - started) * rate) / 1000);
    const most = mayEnd ? least : Number.POSITIVE_INFINITY;
    const end = Math.min(due, events + FRAME_MAX, most);
    const inputs = [];
    for (; events < end; events += 1) inputs.push(makeInput(`load.${events % TOPICS}`, events));
    if (inputs.length > 0) {
      sending.push(client.publishMany(inputs, { durability: 'written' }));
      if (client.unacknowledged > AHEAD_MAX) await Promise.all(sending.splice(0));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(sending);
  const took = (performance.now() - started) / 1000;
  await client.close();
  process.send?.({ events, rate: events / took });
  process.disconnect();
});
