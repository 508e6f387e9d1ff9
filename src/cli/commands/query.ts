import { type Command, Option } from 'commander';
import type { RequestPayload } from '../../protocol/wire.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { addFilterOptions, type FilterOptions, filterFields } from '../filter-options.js';
import { eventFormat, outputDrained, writeLine } from '../output.js';
import { Session } from '../session.js';
import { integerFrom, parseTime } from '../values.js';

/** `millrace query` prints stored events that match, `millrace latest` the newest of each topic. */

interface QueryOptions extends ServerSettings, FilterOptions {
  since?: string;
  until?: string;
  after?: string;
  limit: number;
  reverse?: true;
  json?: true;
}

const DEFAULT_LIMIT = 100;

export function addQueryCommand(program: Command): void {
  const command = program.command('query').description('print stored events that match');
  addOptions(command, (patterns, options) => request(patterns, options));
}

export function addLatestCommand(program: Command): void {
  const command = program.command('latest').description('print the newest event of each topic');
  addOptions(command, (patterns, options) => ({ ...request(patterns, options), latest: true }));
}

function addOptions(
  command: Command,
  requestOf: (patterns: string[], options: QueryOptions) => RequestPayload<'query'>,
): void {
  command
    .argument('<pattern...>', "topics, or patterns: '+' is one segment, a last '*' one or more")
    .addOption(timeOption('--since <time>', 'recorded at or after: a time, or 1h for an hour ago'))
    .addOption(timeOption('--until <time>', 'recorded before: a time, or 1h for an hour ago'))
    .option('--after <cursor>', 'only events after this cursor')
    .addOption(
      new Option('--limit <n>', 'at most this many events')
        .default(DEFAULT_LIMIT)
        .argParser(integerFrom(1)),
    )
    .option('--reverse', 'newest first')
    .option('--json', 'one event a line, as JSON');
  addFilterOptions(command);
  addServerOptions(command);
  command.action(async (patterns: string[]) => {
    applyConfig(command);
    const options = command.opts<QueryOptions>();
    await query(requestOf(patterns, options), options);
  });
}

async function query(request: RequestPayload<'query'>, options: QueryOptions): Promise<void> {
  const session = await Session.open(options);
  try {
    const format = eventFormat(options.json === true);
    for await (const event of session.query(request)) {
      if (!writeLine(format(event))) await outputDrained();
    }
  } finally {
    session.close();
  }
}

function request(topic: string[], options: QueryOptions): RequestPayload<'query'> {
  const result: RequestPayload<'query'> = {
    topic,
    limit: options.limit,
    ...filterFields(options),
  };
  if (options.since !== undefined) result.since = options.since;
  if (options.until !== undefined) result.until = options.until;
  if (options.after !== undefined) result.after = options.after;
  if (options.reverse === true) result.reverse = true;
  return result;
}

function timeOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseTime);
}
