import { openSocket } from '#socket';
import { BusClient } from './bus-client.js';
import type { ConnectOptions } from './options.js';

/**
 * Makes a client of the server at this URL, such as `http://127.0.0.1:7400`; `https:`, `ws:` and `wss:` are taken too.
 * The client is returned at once and connects by itself, again whenever the connection is lost. Calls made before it is
 * connected wait.
 *
 * @param url of the server; `/events` is added unless it is there
 * @param options how it signs in, how long it waits, and what it may hold
 * @throws BusError `OPTION_INVALID`, with every fault in `details.faults`
 */
export function connect(url: string | URL, options: ConnectOptions = {}): BusClient {
  return new BusClient(openSocket, url, options);
}
