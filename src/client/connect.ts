import { openSocket } from '#socket';
import { BusClient } from './bus-client.js';
import type { ConnectOptions } from './options.js';

/**
 * A client of the server at this URL (`http://127.0.0.1:7400`, `https:`, `ws:` and `wss:` too). It
 * is returned at once and connects by itself, again whenever the connection is lost; whatever is
 * asked of it meanwhile waits.
 *
 * @throws BusError `OPTION_INVALID`, with every fault in `details.faults`
 */
export function connect(url: string | URL, options: ConnectOptions = {}): BusClient {
  return new BusClient(openSocket, url, options);
}
