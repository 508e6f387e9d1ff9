import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { warn } from '../endpoint/attach-bus.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { MountOptions } from '../main/gateway-options.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { GatewayLogger } from './gateway-log.js';

/** The gateway in a server of the user's own. Its modules are loaded with the first `createGateway`. */

export interface MountedGateway extends AsyncDisposable {
  /**
   * Answers a request, whatever its path; pass on only requests that your server does not answer itself. Never throws.
   */
  request(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request to upgrade, and owns its socket from then on. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Answers what was accepted, says goodbye to the clients, and cuts those that take too long. Your server stays open.
   */
  close(): Promise<void>;
}

export interface CreateGatewayOptions extends MountOptions {
  /** Called with each log entry of the gateway; no entry holds a payload or a token. Default: entries are dropped. */
  onLog?: GatewayLogger;
}

/** Options that apply only to a server of the gateway's own. */
const SERVER_OPTIONS = ['port', 'host', 'tls', 'gateways'];

/**
 * Makes a gateway that answers the requests of your HTTP server, in the calling thread and over its endpoint of the
 * bus. The server and the endpoint stay yours: close them after the gateway. Without `auth`, clients of other machines
 * are refused with `FORBIDDEN`.
 *
 * ```ts
 * const gateway = await createGateway(bus);
 * const server = http.createServer((req, res) => gateway.request(req, res));
 * server.on('upgrade', (req, socket, head) => gateway.upgrade(req, socket, head));
 * ```
 *
 * @param bus the bus, or an attached worker's endpoint, whose events are served
 * @param options as for `bus.serve()`, without `port`, `host`, `tls` and `gateways`
 * @throws BusError `OPTION_INVALID` with every fault in `details.faults`
 */
export async function createGateway(
  bus: BusEndpoint,
  options: CreateGatewayOptions = {},
): Promise<MountedGateway> {
  const { onLog = () => {}, ...rest } = options;
  const misplaced = SERVER_OPTIONS.find((option) => option in rest);
  if (misplaced !== undefined) {
    const message = `option ${misplaced} is for bus.serve(): this gateway has no server of its own`;
    throw new BusError('OPTION_INVALID', message, { details: { option: misplaced } });
  }
  const { Gateway } = await import('./gateway.js');
  const gateway = new Gateway(bus, rest, guarded(onLog), { isMounted: true });
  const close = (): Promise<void> => gateway.close();
  return {
    request: (request, response) => gateway.request(request, response),
    upgrade: (request, socket, head) => gateway.upgrade(request, socket, head),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Keeps a logger that throws from disturbing the gateway; its first failure is a process warning. */
function guarded(onLog: GatewayLogger): GatewayLogger {
  let hasFailed = false;
  return (level, message, fields) => {
    try {
      onLog(level, message, fields);
    } catch (cause) {
      if (!hasFailed) {
        const reason = `'onLog' of a gateway failed: ${messageOf(cause)}`;
        warn(new BusError('HANDLER_FAILED', reason, { cause }));
      }
      hasFailed = true;
    }
  };
}
