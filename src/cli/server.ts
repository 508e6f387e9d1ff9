import { checkGateway } from '../gateway/check-gateway.js';
import { openBus } from '../index.js';
import type { Bus, BusOptions } from '../main/bus.js';
import type { GatewayHandle, GatewayOptions } from '../main/gateway-options.js';
import { startGateway } from '../main/gateway-starter.js';
import { BusError } from '../protocol/errors.js';
import { configPath } from './config.js';
import type { Config } from './config-schema.js';
import { CommandFailure, EXIT_FAILED, usageFailure } from './failure.js';
import { type CommandLog, openLog } from './log.js';
import type { ServeOptions } from './serve-options.js';
import { ShutdownSignal } from './shutdown.js';
import { ServerSinks } from './sinks/server-sinks.js';
import { parseSinkSections, type SinkSection } from './sinks/sink-sections.js';
import { parseStoreAddress } from './store-address.js';

/**
 * The server of `millrace serve`: a bus on a directory and its gateway, until SIGTERM or SIGINT. Imported only by that
 * command, as the others need neither the engine nor a log.
 */

/** The process must exit within 5 s of the signal; the difference is left for its end. */
const SHUTDOWN_MS = 4600;

export async function serve(options: ServeOptions, config: Config): Promise<void> {
  const log = openLog(options.logLevel);
  const settings = gatewayOptions(options, config);
  // First, so that a refused command leaves no new directory behind.
  await checkGateway(settings).catch(explainBindFailure);
  const sections = sinkSections(config, configPath(options.config));
  const signal = new ShutdownSignal();
  const place = await placeOf(options);
  const bus = await openBus({ ...place.option, ...busOptions(options, config, log) });
  try {
    for (const [name, schedule] of Object.entries(config.schedules ?? {})) {
      await bus.schedules.set(name, schedule);
    }
    const gateway = await startGateway(bus, settings, {
      logLevel: options.logLevel,
      onLog: ({ level, message, fields }) => log[level](fields, message),
    }).catch(explainBindFailure);
    const { url } = gateway;
    const { shards, epoch } = bus;
    log.info({ url, ...place.field, shards, epoch }, `listening on ${url}, events ${place.text}`);
    const sinks = new ServerSinks(bus, sections, log);
    await Promise.race([signal.received, gateway.closed, sinks.failed]);
    await stop(bus, gateway, sinks, signal, log);
    if (sinks.failure !== undefined) throw sinks.failure;
  } finally {
    await bus.close();
    signal.dispose();
  }
}

/**
 * The gateway and the sinks first: the one closes its connections once every accepted event is in the log and acknowledged,
 * the others end what they have begun.
 */
async function stop(
  bus: Bus,
  gateway: GatewayHandle,
  sinks: ServerSinks,
  signal: ShutdownSignal,
  log: CommandLog,
): Promise<void> {
  log.info({ signal: signal.name }, 'stopping');
  const deadline = setTimeout(() => {
    log.error(`not stopped after ${SHUTDOWN_MS} ms: giving up`);
    process.exit(EXIT_FAILED);
  }, SHUTDOWN_MS);
  await Promise.all([gateway.close(), sinks.stop()]);
  await bus.close();
  clearTimeout(deadline);
  log.info('stopped');
}

/** Where the bus keeps its events: the option of `openBus`, the field of the log, and its text. */
async function placeOf({ dir, store: address }: ServeOptions) {
  if (address === undefined) return { option: { dir }, field: { dir }, text: `in ${dir}` };
  const { store, place } = await parseStoreAddress(address);
  return { option: { store }, field: { store: place }, text: `on ${place}` };
}

/** Also reads their secrets, so that a server without one does not begin. */
function sinkSections({ sinks }: Config, file: string): readonly SinkSection[] {
  const parsed = parseSinkSections(sinks, file);
  if ('sections' in parsed) return parsed.sections;
  throw usageFailure(
    `config file ${file}:\n${parsed.faults.map((fault) => `  ${fault}`).join('\n')}`,
  );
}

/** Settings of the config file that are options of the bus, under the same names. */
const BUS_SETTINGS = [
  'defaultPersist',
  'noPersistTopics',
  'retention',
  'archive',
  'alerts',
  'systemEvents',
  'ringBytes',
  'commitBatchEvents',
  'maxPayloadBytes',
  'maxShardBytes',
  'claimCheckBytes',
  'publishWaitMs',
  'dedupeWindowMs',
  'dedupeIdsMax',
] as const satisfies readonly (keyof BusOptions & keyof Config)[];

/** Settings of the config file that are options of the gateway and have no flag. */
const GATEWAY_SETTINGS = [
  'authenticateMs',
  'maxFrameBytes',
  'maxOutboundBytes',
  'stallMs',
  'minDrainBytesPerSecond',
  'maxSubscriptionsPerPrincipal',
  'maxPatterns',
  'maxPatternsPerPrincipal',
  'maxQueries',
  'maxQueriesPerPrincipal',
  'maxHeldBytes',
  'maxHeldBytesPerPrincipal',
  'maxHeldBytesTotal',
  'heartbeatMs',
  'keepAliveMs',
  'maxUnauthenticated',
  'maxUnauthenticatedPerAddress',
] as const satisfies readonly (keyof GatewayOptions & keyof Config)[];

/** Flags that are options of the gateway under the same names. */
const GATEWAY_FLAGS = [
  'host',
  'port',
  'basePath',
  'gateways',
  'compression',
  'dashboard',
  'dashboardReadOnly',
  'environment',
  'audit',
  'allowedOrigins',
  'allowedHosts',
  'trustedProxies',
  'maxConnections',
  'maxConnectionsPerAddress',
  'maxConnectsPerSecond',
  'maxFailedSignInsPerSecond',
  'maxSubscriptions',
  'maxPublishPerSecond',
  'maxSubscribePerSecond',
  'maxQueriesPerSecond',
] as const satisfies readonly (keyof GatewayOptions & keyof ServeOptions)[];

function busOptions(options: ServeOptions, config: Config, log: CommandLog): BusOptions {
  return {
    onError: (error) => log.error({ code: error.code, details: error.details }, error.message),
    ...given(options, ['shards', 'source']),
    ...(options.shardBySegments === undefined
      ? {}
      : { shardBy: { segments: options.shardBySegments } }),
    ...given(config, BUS_SETTINGS),
  };
}

function gatewayOptions(options: ServeOptions, config: Config): GatewayOptions {
  const auth = authOptions(options, config);
  const tls = tlsOptions(options, config);
  return {
    ...given(options, GATEWAY_FLAGS),
    ...given(config, GATEWAY_SETTINGS),
    ...(auth === undefined ? {} : { auth }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Flags that name files override only those names in the config file's `auth`. */
function authOptions(options: ServeOptions, { auth }: Config): GatewayOptions['auth'] {
  const files = given(options, ['keysFile', 'revokedFile']);
  return Object.keys(files).length === 0 ? auth : { ...auth, ...files };
}

function tlsOptions(options: ServeOptions, { tls }: Config): GatewayOptions['tls'] {
  const { tlsCertFile: certFile = tls?.certFile, tlsKeyFile: keyFile = tls?.keyFile } = options;
  // No flag for it, as every user of the machine can see a process's arguments.
  const passphrase = process.env.MILLRACE_TLS_PASSPHRASE ?? tls?.passphrase;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw usageFailure('TLS needs both --tls-cert-file and --tls-key-file');
  }
  return { certFile, keyFile, ...(passphrase === undefined ? {} : { passphrase }) };
}

/** The named fields that are set. */
function given<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  const present = names.filter((name) => from[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, from[name]])) as Pick<T, K>;
}

/** A failure to bind the port is not wrong usage, so it exits with 1 and not with 2. */
function explainBindFailure(error: unknown): never {
  const isBindFailure = error instanceof BusError && error.details?.errno !== undefined;
  throw isBindFailure ? new CommandFailure(error.message, EXIT_FAILED, error) : error;
}
