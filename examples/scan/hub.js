import { openBus } from 'millrace';
import { connect } from 'millrace/client';

/**
 * The place of the demo's events: a bus of its own in a directory, or somebody's server.
 *
 * @typedef {object} Hub
 * @property {import('millrace/client').BusApi} bus the bus, as the main thread uses it
 * @property {() => Entrance} entrance gives one worker thread its access to the bus
 */
/** @typedef {{ data: { attachment?: unknown, server?: string }, transferList: import('node:worker_threads').Transferable[] }} Entrance */

/**
 * @param {string} dir
 * @returns {Promise<Hub>}
 */
export async function openLocalHub(dir) {
  const bus = await openBus({ dir });
  return {
    bus,
    entrance: () => {
      const { data, transferList } = bus.attachment();
      return { data: { attachment: data }, transferList };
    },
  };
}

/**
 * @param {string} server the address of a `millrace serve`
 * @returns {Promise<Hub>}
 */
export async function openRemoteHub(server) {
  const bus = connectTo(server);
  try {
    await bus.connected();
  } catch (error) {
    await bus.close();
    throw error;
  }
  return { bus, entrance: () => ({ data: { server }, transferList: [] }) };
}

/**
 * Connects with the token of the environment, as the command line does. Gives up after a few tries: a demo without its
 * server has nothing to do.
 * @param {string} server
 */
export function connectTo(server) {
  const token = process.env.MILLRACE_TOKEN;
  return connect(server, {
    maxReconnectAttempts: 3,
    ...(token === undefined ? {} : { getToken: async () => token }),
  });
}
