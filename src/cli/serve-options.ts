import type { GatewayOptions } from '../main/gateway-options.js';
import type { LogLevel } from './config-schema.js';

/** The options of `serve` that have a flag or environment variable; a config file has more. */
export interface ServeOptions
  extends Pick<
    GatewayOptions,
    | 'basePath'
    | 'compression'
    | 'dashboard'
    | 'dashboardReadOnly'
    | 'environment'
    | 'audit'
    | 'gateways'
    | 'maxConnections'
    | 'maxConnectionsPerAddress'
    | 'maxConnectsPerSecond'
    | 'maxFailedSignInsPerSecond'
    | 'maxSubscriptions'
    | 'maxPublishPerSecond'
    | 'maxSubscribePerSecond'
    | 'maxQueriesPerSecond'
  > {
  config?: string;
  dir: string;
  /** In the place of the directory: the address of a broker. */
  store?: string;
  host: string;
  port: number;
  shards?: number;
  shardBySegments?: number;
  source?: string;
  keysFile?: string;
  revokedFile?: string;
  tlsCertFile?: string;
  tlsKeyFile?: string;
  allowedOrigins?: string[];
  allowedHosts?: string[];
  trustedProxies?: string[];
  logLevel: LogLevel;
}
