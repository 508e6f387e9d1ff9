import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The buses on a broker of these programs. */
const STORES = { nats: 'natsStore', redis: 'redisStore' };

/**
 * Opens a bus on a broker.
 *
 * @param {string} dist  the build
 * @param {{ on: 'nats' | 'redis', options: object }} store  the broker, and the options of its store
 * @param {object} options  of the bus
 */
export async function openOn(dist, { on, options: ofStore }, options) {
  const module = await import(pathToFileURL(join(dist, 'index.js')).href);
  return module.openBus({ ...options, store: module[STORES[on]](ofStore) });
}
