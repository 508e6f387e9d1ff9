import { natsStore, openBus, redisStore } from 'millrace';

/**
 * A node of `store-nodes.js`: opens a bus on the broker of the address in its arguments, has one handler, and answers how much CPU
 * time an event has cost the process.
 */

const [, , address = '', prefix = '', events = '0'] = process.argv;
const store = address.startsWith('redis')
  ? redisStore({ url: address, prefix })
  : natsStore({ servers: address, prefix });
const bus = await openBus({ store, shards: 1, systemEvents: false });
const count = Number(events);
let seen = 0;
/** @type {NodeJS.CpuUsage | undefined} */
let before;
await bus.subscribe('load.*', () => {
  seen += 1;
  before ??= process.cpuUsage();
  if (seen < count) return;
  const { user, system } = process.cpuUsage(before);
  process.send?.({ perEvent: (user + system) / count });
}).ready;
process.once('message', async () => {
  await bus.close();
  process.disconnect();
});
process.send?.({ isReady: true });
