import { type Command, Option } from 'commander';
import { applyConfig, configOption } from '../config.js';
import { collect, integerFrom } from '../values.js';

/**
 * `millrace serve`: opens a directory, serves it until it is told to stop, and stops without losing
 * anything.
 */

export interface ServeOptions {
  dir: string;
  host: string;
  port: number;
  shards?: number;
  source?: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  maxConnections?: number;
  maxPublishPerSecond?: number;
  allowedOrigins?: string[];
  keysFile?: string;
}

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('serve a directory of events over WebSocket and HTTP, until SIGTERM or SIGINT')
    .addOption(
      new Option('--dir <dir>', 'where the events are kept').env('MILLRACE_DIR').default('./data'),
    )
    .addOption(
      new Option('--host <host>', 'address to bind; beyond this machine only with authentication')
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
      new Option(
        '--keys-file <file>',
        'whose API keys let in, as `millrace token` makes them; nobody gets in without one then',
      ).env('MILLRACE_KEYS_FILE'),
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
    const { serve } = await import('../server.js');
    await serve(command.opts<ServeOptions>(), config);
  });
}
