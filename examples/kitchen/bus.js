import * as millrace from 'millrace';
import { connect } from 'millrace/client';

/**
 * Where the events are kept. This is the one line that changes when the app outgrows its machine:
 *
 *   const STORE = { store: millrace.natsStore({ servers: 'nats-1:4222,nats-2:4222', replicas: 3 }) };
 *   const STORE = { store: millrace.redisStore({ url: 'redis://redis-1:6379', replicas: 1 }) };
 */
const STORE = { dir: './kitchen-data' };

/** Where the process that has opened a directory serves it to the other one. */
const PORT = Number(process.env.KITCHEN_PORT ?? 7410);

/**
 * Opens the bus for one of the app's processes. A directory has one process, and the others are its clients; on a broker
 * each process opens a bus of its own. Both take the same calls.
 *
 * @returns {Promise<import('millrace').BusApi>}
 */
export async function open() {
  try {
    const bus = await millrace.openBus(STORE);
    if ('dir' in STORE) await bus.serve({ port: PORT });
    return bus;
  } catch (error) {
    if (error.code !== 'STORE_LOCKED') throw error;
    return connect(`http://127.0.0.1:${PORT}`);
  }
}
