import { type Command, Option } from 'commander';
import { openBus } from '../../index.js';
import type { Bus, BusOptions } from '../../main/bus.js';
import {
  type GatewayStartOptions,
  type StartedGateway,
  startGateway,
} from '../../main/gateway-starter.js';
import { BusError } from '../../protocol/errors.js';
import { applyConfig, type Config, configOption } from '../config.js';
import { CommandFailure, EXIT_FAILED } from '../failure.js';
import { type CommandLog, openLog } from '../log.js';
import { ShutdownSignal } from '../shutdown.js';
import { collect, integerFrom } from '../values.js';

/** `millrace serve`: opens a directory, serves it until it is told to stop, and stops without losing anything. */

interface ServeOptions {
  dir: string;
  host: string;
  port: number;
  shards?: number;
  source?: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  maxConnections?: number;
  maxPublishPerSecond?: number;
  allowedOrigins?: string[];
}

/** Contract: exit within 5 s of the signal. The rest is for the process to end in. */
const SHUTDOWN_MS = 4600;

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('serve a directory of events over WebSocket and HTTP, until SIGTERM or SIGINT')
    .addOption(
      new Option('--dir <dir>', 'where the events are kept').env('MILLRACE_DIR').default('./data'),
    )
    .addOption(
      new Option('--host <host>', 'address to bind; on this machine only')
        .env('MILLRACE_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--port <port>', '0 takes a free one')
        .env('MILLRACE_PORT')
        .default(7400)
        .argParser(integerFrom(0, 65_535)),
    )
    .addOption(
      new Option('--shards <n>', "default: the directory's own count, or cores - 1 for a new one")
        .env('MILLRACE_SHARDS')
        .argParser(integerFrom(1)),
    )
    .addOption(
      new Option('--source <name>', 'source of events that name none').env('MILLRACE_SOURCE'),
    )
    .addOption(
      new Option('--max-connections <n>', 'default 10000')
        .env('MILLRACE_MAX_CONNECTIONS')
        .argParser(integerFrom(1)),
    )
    .addOption(
      new Option('--max-publish-per-second <n>', 'events per connection; default: no limit')
        .env('MILLRACE_MAX_PUBLISH_PER_SECOND')
        .argParser(integerFrom(1)),
    )
    .addOption(
      new Option(
        '--allowed-origins <origin>',
        'whose pages may connect too; may be repeated',
      ).argParser(collect),
    )
    .addOption(
      new Option('--log-level <level>')
        .env('MILLRACE_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(configOption());
  command.action(async () => {
    const config = applyConfig(command);
    await serve(command.opts<ServeOptions>(), config);
  });
}

async function serve(options: ServeOptions, config: Config): Promise<void> {
  const log = openLog(options.logLevel);
  const signal = new ShutdownSignal();
  const bus = await openBus(busOptions(options, config, log));
  try {
    const gateway = await startGateway(bus, gatewayOptions(options), {
      onLog: ({ level, message, fields }) => log[level](fields, message),
      onError: (error) => log.error({ code: error.code }, error.message),
    }).catch(explainBindFailure);
    const { url } = gateway;
    const { dir } = options;
    const { shards, epoch } = bus;
    const text = `listening on ${url}, events in ${dir}, ${shards} ${shards === 1 ? 'shard' : 'shards'}`;
    log.info({ url, dir, shards, epoch }, text);
    await Promise.race([signal.received, gateway.closed]);
    await stop(bus, gateway, signal, log);
  } finally {
    await bus.close();
    signal.dispose();
  }
}

/** Everything accepted is acknowledged before the gateway says goodbye, and is in the log by then. */
async function stop(
  bus: Bus,
  gateway: StartedGateway,
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

function gatewayOptions(options: ServeOptions): GatewayStartOptions {
  const { host, port, maxConnections, maxPublishPerSecond, allowedOrigins } = options;
  const result: GatewayStartOptions = { host, port };
  if (maxConnections !== undefined) result.maxConnections = maxConnections;
  if (maxPublishPerSecond !== undefined) result.maxPublishPerSecond = maxPublishPerSecond;
  if (allowedOrigins !== undefined) result.allowedOrigins = allowedOrigins;
  return result;
}

/** A port that is taken is a failure of this moment, not of the command line. */
function explainBindFailure(error: unknown): never {
  const isBindFailure = error instanceof BusError && error.details?.errno !== undefined;
  throw isBindFailure ? new CommandFailure(error.message, EXIT_FAILED, error) : error;
}
