import { openBus } from '../index.js';
import type { Bus, BusOptions, GatewayHandle, GatewayOptions } from '../main/bus.js';
import { startGateway } from '../main/gateway-starter.js';
import { BusError } from '../protocol/errors.js';
import type { ServeOptions } from './commands/serve.js';
import type { Config } from './config.js';
import { CommandFailure, EXIT_FAILED } from './failure.js';
import { type CommandLog, openLog } from './log.js';
import { ShutdownSignal } from './shutdown.js';

/**
 * The server behind `millrace serve`: a bus on a directory and its gateway, until SIGTERM or
 * SIGINT. Loaded only by that command, as the other commands need neither the engine nor a log.
 */

/** Contract: exit within 5 s of the signal. The rest is for the process to end in. */
const SHUTDOWN_MS = 4600;

export async function serve(options: ServeOptions, config: Config): Promise<void> {
  const log = openLog(options.logLevel);
  const signal = new ShutdownSignal();
  const bus = await openBus(busOptions(options, config, log));
  try {
    const gateway = await startGateway(bus, gatewayOptions(options, config), {
      onLog: ({ level, message, fields }) => log[level](fields, message),
      onError: (error) => log.error({ code: error.code }, error.message),
    }).catch(explainBindFailure);
    const { url } = gateway;
    const { dir } = options;
    const { shards, epoch } = bus;
    log.info({ url, dir, shards, epoch }, `listening on ${url}, events in ${dir}`);
    await Promise.race([signal.received, gateway.closed]);
    await stop(bus, gateway, signal, log);
  } finally {
    await bus.close();
    signal.dispose();
  }
}

/**
 * Everything accepted is acknowledged before the gateway says goodbye, and is in the log by then.
 */
async function stop(
  bus: Bus,
  gateway: GatewayHandle,
  signal: ShutdownSignal,
  log: CommandLog,
): Promise<void> {
  log.info({ signal: signal.name }, 'stopping');
  const deadline = setTimeout(() => {
    log.error(`not stopped after ${SHUTDOWN_MS} ms: giving up`);
    process.exit(EXIT_FAILED);
  }, SHUTDOWN_MS);
  await gateway.close();
  await bus.close();
  clearTimeout(deadline);
  log.info('stopped');
}

function busOptions(options: ServeOptions, config: Config, log: CommandLog): BusOptions {
  const result: BusOptions = {
    dir: options.dir,
    onError: (error) => log.error({ code: error.code, details: error.details }, error.message),
  };
  if (options.shards !== undefined) result.shards = options.shards;
  if (options.source !== undefined) result.source = options.source;
  if (config.defaultPersist !== undefined) result.defaultPersist = config.defaultPersist;
  if (config.noPersistTopics !== undefined) result.noPersistTopics = config.noPersistTopics;
  if (config.retention !== undefined) result.retention = config.retention;
  return result;
}

function gatewayOptions(options: ServeOptions, { auth }: Config): GatewayOptions {
  const { host, port, maxConnections, maxPublishPerSecond, allowedOrigins, keysFile } = options;
  const result: GatewayOptions = { host, port };
  if (maxConnections !== undefined) result.maxConnections = maxConnections;
  if (maxPublishPerSecond !== undefined) result.maxPublishPerSecond = maxPublishPerSecond;
  if (allowedOrigins !== undefined) result.allowedOrigins = allowedOrigins;
  if (keysFile !== undefined) result.auth = { ...auth, keysFile };
  else if (auth !== undefined) result.auth = auth;
  return result;
}

/** A port that is taken is a failure of this moment, not of the command line. */
function explainBindFailure(error: unknown): never {
  const isBindFailure = error instanceof BusError && error.details?.errno !== undefined;
  throw isBindFailure ? new CommandFailure(error.message, EXIT_FAILED, error) : error;
}
