import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { warn } from '../endpoint/attach-bus.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { MountOptions } from '../main/gateway-options.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { GatewayLogger } from './gateway-log.js';

/** The gateway in a server of the user's own. What it needs is loaded when it is asked for. */

export interface MountedGateway extends AsyncDisposable {
  /** Answers a request, whatever its path; hand on those that are not yours. Never throws. */
  request(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a request to upgrade, and owns its socket from then on. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Answers what was accepted, says goodbye to the clients, cuts who takes too long. The server stays yours. */
  close(): Promise<void>;
}

export interface CreateGatewayOptions extends MountOptions {
  /** Told what the gateway has to say; no message ever holds a payload or a token. Default: nobody. */
  onLog?: GatewayLogger;
}

/** What only a server of the gateway's own can have. */
const OF_SERVERS = ['port', 'host', 'tls', 'gateways'];

/**
 * Makes the gateway's answers to a server's requests, in the thread that calls it and over its endpoint of the bus; both
 * stay the caller's, and are closed after it. Without `auth`, clients of other machines are refused with `FORBIDDEN`.
 *
 * ```ts
 * const gateway = await createGateway(bus);
 * const server = http.createServer((req, res) => gateway.request(req, res));
 * server.on('upgrade', (req, socket, head) => gateway.upgrade(req, socket, head));
 * ```
 *
 * @param bus whose events are served; an attached worker's will do
 * @param options as for `serve`, without those of a server
 * @throws BusError `OPTION_INVALID` with every fault in `details.faults`
 */
export async function createGateway(
  bus: BusEndpoint,
  options: CreateGatewayOptions = {},
): Promise<MountedGateway> {
  const { onLog = () => {}, ...rest } = options;
  const misplaced = OF_SERVERS.find((option) => option in rest);
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

/** A logger that throws is its owner's mistake, and told once; it may not keep the gateway from its work. */
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
