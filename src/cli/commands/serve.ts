import { type Command, Option } from 'commander';
import { TOPIC_SEGMENTS_MAX } from '../../protocol/limits/events.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import { applyConfig, configOption } from '../config.js';
import { LOG_LEVELS } from '../config-schema.js';
import { usageFailure } from '../failure.js';
import type { ServeOptions } from '../serve-options.js';
import { collectList, integerFrom, parseBoolean } from '../values.js';

/** `millrace serve`: opens a directory, serves it until SIGTERM or SIGINT, and stops without losing an event. */

/** Options that are counts: flag, least value, description. */
const COUNTS = [
  ['gateways', 1, 'threads that share the port; default 1'],
  ['max-connections', 1, 'connections at once; default 10000'],
  ['max-connections-per-address', 1, 'connections at once from one address; default 256'],
  [
    'max-connects-per-second',
    0,
    'new connections a second from one address, 0: no limit; default 0, on a public host 100',
  ],
  [
    'max-failed-sign-ins-per-second',
    0,
    'failed sign-ins a second from one address, 0: no limit; default 0, on a public host 100',
  ],
  ['max-subscriptions', 1, 'subscriptions of one connection at once; default 128'],
  ['max-publish-per-second', 0, 'events a second from one connection, 0: no limit; default 0'],
  [
    'max-subscribe-per-second',
    0,
    'new subscriptions a second on one connection, 0: no limit; default 0',
  ],
  [
    'max-queries-per-second',
    0,
    'queries and lists a second on one connection, 0: no limit; default 0',
  ],
] as const;

/** Options with text values: flag, placeholder of the value, description. */
const TEXTS = [
  ['source', 'name', 'source of events that name none'],
  ['environment', 'name', 'name of this environment, shown on the dashboard'],
  ['base-path', 'path', 'prefix of every path, such as /bus'],
  ['keys-file', 'file', 'file of API keys, made by `token key`; every client then needs a key'],
  ['revoked-file', 'file', 'file of revoked JWTs, made by `token revoke --jwt`'],
  ['tls-cert-file', 'file', 'certificate to serve TLS with, PEM; needs --tls-key-file'],
  ['tls-key-file', 'file', 'private key of that certificate, PEM'],
] as const;

/** Options that may be repeated, or hold several values separated by commas: flag, placeholder, description. */
const LISTS = [
  ['allowed-origins', 'origin', 'origin whose pages may connect too, such as https://app.example'],
  [
    'allowed-hosts',
    'name',
    'host name by which clients may call the server too, such as events.example',
  ],
  [
    'trusted-proxies',
    'address',
    'proxy whose X-Forwarded-* headers are believed: an address, a network, loopback or private',
  ],
] as const;

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description(
      'serve a directory of events, or those on a broker, over WebSocket and HTTP, until SIGTERM or SIGINT',
    )
    .addOption(
      new Option('--dir <dir>', 'directory of the events; made if it is not there')
        .env('MILLRACE_DIR')
        .default('./data'),
    )
    .addOption(
      setting(
        'store',
        '<url>',
        'keeps the events on a broker instead: nats://HOST:PORT or redis://HOST:PORT, with options as ?prefix=orders',
      ),
    )
    .addOption(
      new Option(
        '--host <host>',
        'address to bind; one that other machines reach needs authentication',
      )
        .env('MILLRACE_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--port <port>', 'port to bind; 0 takes a free one')
        .env('MILLRACE_PORT')
        .default(7400)
        .argParser(integerFrom(0, 65_535)),
    )
    .addOption(
      setting(
        'shards',
        '<n>',
        `number of shards, 1 to ${SHARDS_MAX}; default: the directory's own, or cores - 1 for a new one`,
      ).argParser(integerFrom(1, SHARDS_MAX)),
    )
    .addOption(
      setting(
        'shard-by-segments',
        '<n>',
        `how many first segments of a topic decide its shard, 1 to ${TOPIC_SEGMENTS_MAX}; default: the directory's own`,
      ).argParser(integerFrom(1, TOPIC_SEGMENTS_MAX)),
    );
  for (const [name, least, text] of COUNTS) {
    command.addOption(setting(name, '<n>', text).argParser(integerFrom(least)));
  }
  for (const [name, value, text] of TEXTS) command.addOption(setting(name, `<${value}>`, text));
  for (const [name, value, text] of LISTS) {
    const option = setting(name, `<${value}>`, `${text}; may be repeated`);
    command.addOption(option.argParser(collectList));
  }
  command
    .addOption(
      setting('dashboard', '[on]', 'true or false: serve the dashboard at /; default true')
        .preset('true')
        .argParser(parseBoolean),
    )
    .addOption(
      setting('dashboard-read-only', '[on]', 'true or false: the dashboard changes nothing')
        .preset('true')
        .argParser(parseBoolean),
    )
    .addOption(
      setting('compression', '[on]', 'true or false: compress messages for clients that offer it')
        .preset('true')
        .argParser(parseBoolean),
    )
    .addOption(
      setting('audit', '[on]', 'true or false: log failed sign-ins and administrative acts')
        .preset('true')
        .argParser(parseBoolean),
    )
    .addOption(
      setting('log-level', '<level>', 'least severe level that is logged')
        .choices(LOG_LEVELS)
        .default('info'),
    )
    .addOption(configOption());
  command.allowExcessArguments();
  command.action(async () => {
    const [argument] = command.args;
    if (argument !== undefined) {
      throw usageFailure(
        `serve takes no argument, and the directory as --dir: millrace serve --dir ${argument}`,
      );
    }
    const config = applyConfig(command);
    const options = command.opts<ServeOptions>();
    if (options.store !== undefined && command.getOptionValueSource('dir') !== 'default') {
      throw usageFailure('--dir and --store are both set: events are kept in one place');
    }
    const { serve } = await import('../server.js');
    await serve(options, config);
  });
}

/** An option that an environment variable, `MILLRACE_…`, can set too. */
function setting(name: string, value: string, text: string): Option {
  const variable = `MILLRACE_${name.replaceAll('-', '_').toUpperCase()}`;
  return new Option(`--${name} ${value}`.trim(), text).env(variable);
}
