import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { natsStore, openBus, redisStore } from 'millrace';
import { readOptions, runBench } from './harness.js';
import { makeInput, publishWindowed, topicNames } from './load.js';
import { startNats, startRedis } from './peer-servers.js';

/**
 * What an event costs the parts of a bus on a broker, in CPU time, which a busy machine changes less than it changes rates: the
 * process that publishes it (and receives it, without a handler), one that receives it with a handler, and the broker, one
 * server with its defaults.
 */

const NODE = fileURLToPath(new URL('./store-node.js', import.meta.url));
/** Of `/proc/PID/stat`, in Linux on all machines. */
const TICKS_PER_S = 100;
const options = readOptions('The CPU time of an event in a node on a broker, and in the broker.', {
  events: 60_000,
  batch: 256,
  window: 4096,
  rounds: 2,
});
const { events, batch, window, rounds } = options;
const topics = topicNames(1000);
const input = (/** @type {number} */ n) => makeInput(/** @type {string} */ (topics[n % 1000]), n);

/** µs of CPU time of a process of this machine. @param {number} pid */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S;
}

/**
 * @param {string} address
 * @param {string} prefix
 * @param {number} broker its process
 */
async function costs(address, prefix, broker) {
  const receiver = fork(NODE, [address, prefix, String(events)]);
  await once(receiver, 'message');
  const store = address.startsWith('redis')
    ? redisStore({ url: address, prefix })
    : natsStore({ servers: address, prefix });
  const bus = await openBus({ store, shards: 1, systemEvents: false });
  const brokerBefore = cpuOf(broker);
  const before = process.cpuUsage();
  const received = once(receiver, 'message');
  await publishWindowed(bus, events, { batch, window, input });
  const { user, system } = process.cpuUsage(before);
  const [{ perEvent }] = await received;
  const ofBroker = (cpuOf(broker) - brokerBefore) / events;
  receiver.send('close');
  await Promise.all([once(receiver, 'exit'), bus.close()]);
  return { publishes: (user + system) / events, receives: Number(perEvent), broker: ofBroker };
}

await runBench(
  'nodes on a broker: CPU time of an event',
  { ...options, cores: 2 },
  async (bench) => {
    const nats = await startNats(bench.keptDirectory());
    const redis = await startRedis(bench.keptDirectory());
    const addresses = {
      NATS: { address: `nats://127.0.0.1:${nats.port}`, broker: nats.pid },
      Redis: { address: `redis://127.0.0.1:${redis.port}`, broker: redis.pid },
    };
    try {
      for (const [name, { address, broker }] of Object.entries(addresses)) {
        for (let round = 0; round < rounds; round++) {
          const {
            publishes,
            receives,
            broker: ofBroker,
          } = await costs(address, `r${round}`, broker);
          bench.say(
            `  ${name.padEnd(5)}  publishes ${publishes.toFixed(1)}  receives ${receives.toFixed(1)}  broker ${ofBroker.toFixed(1)} µs of CPU an event`,
          );
        }
      }
    } finally {
      await Promise.all([nats.stop(), redis.stop()]);
    }
  },
);
