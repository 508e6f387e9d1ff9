import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ConsumerOptions } from '../../../protocol/consumers.js';
import { BusError } from '../../../protocol/errors.js';
import {
  ATTEMPTS_MAX,
  CONSUMER_AHEAD_MAX,
  CONSUMER_IN_FLIGHT_MAX,
} from '../../../protocol/limits/consumers.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { notify } from '../../failure.js';
import {
  addFilterOptions,
  type FilterOptions,
  filterFields,
  repeated,
} from '../../filter-options.js';
import { writeLine } from '../../output.js';
import type { Session } from '../../session.js';
import { type From, integerFrom, parseDuration, parsePlace } from '../../values.js';
import type { ConsumerCommandOptions } from './options.js';

/** `millrace consumers create`: makes a consumer, or changes it with `--update`. */

interface CreateOptions extends ConsumerCommandOptions, FilterOptions {
  filter: string[];
  from?: From;
  order?: string;
  lease?: number;
  maxAttempts?: number;
  backoff?: number[];
  maxInFlight?: number;
  maxAhead?: number;
  deadLetter?: string;
  priority?: string[];
  durability?: ConsumerOptions['ackDurability'];
  update?: true;
}

export function addCreateCommand(consumers: Command): void {
  const command = consumers
    .command('create')
    .description('make a consumer; the same definition again changes nothing')
    .argument('<name>', 'as a topic: segments with dots between, at most 128 bytes, no wildcards')
    .addOption(
      repeated('--filter <pattern>', 'needed: topics that it reads').makeOptionMandatory(),
    );
  addFilterOptions(command);
  for (const option of definitionOptions()) command.addOption(option);
  command.option('--json', 'print the consumer as JSON');
  addServerOptions(command);
  command.action((name: string) =>
    act<CreateOptions>(command, (session, options) => create(session, name, options)),
  );
}

function definitionOptions(): Option[] {
  return [
    new Option(
      '--from <position>',
      'where a new consumer begins: now, earliest, last:N, since:1h, since:TIME or after:CURSOR; default now',
    ).argParser(parsePlace),
    new Option(
      '--order <key>',
      'one after the other: none, topic, source, correlationId or attributes.NAME; default none',
    ),
    new Option(
      '--lease <duration>',
      'how long a member may take for an event; default 30s',
    ).argParser(parseDuration),
    new Option(
      '--max-attempts <n>',
      'how often an event is tried before it is dead; default 5',
    ).argParser(integerFrom(1, ATTEMPTS_MAX)),
    new Option('--backoff <durations>', 'waits after failed attempts; default 1s,10s,1m').argParser(
      parseDurations,
    ),
    new Option(
      '--max-in-flight <n>',
      'how many events may be leased at once; default 1000',
    ).argParser(integerFrom(1, CONSUMER_IN_FLIGHT_MAX)),
    new Option(
      '--max-ahead <n>',
      'how many events of one shard may be open; default 10000',
    ).argParser(integerFrom(1, CONSUMER_AHEAD_MAX)),
    new Option('--dead-letter <topic>', 'publish dead events here'),
    repeated('--priority <pattern>', 'these events go first, in the order given'),
    new Option('--durability <durability>', 'what an ack waits for; default synced').choices([
      'synced',
      'written',
    ]),
    new Option('--update', 'change a consumer of this name that is defined otherwise'),
  ];
}

/** `1s,10s,1m` */
function parseDurations(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.includes('')) throw new InvalidArgumentError('It has an empty duration.');
  return parts.map(parseDuration);
}

async function create(session: Session, name: string, options: CreateOptions): Promise<void> {
  const fields = {
    filter: { topics: options.filter, ...filterFields(options) },
    from: options.from,
    order: options.order,
    leaseMs: options.lease,
    maxAttempts: options.maxAttempts,
    backoffMs: options.backoff,
    maxInFlight: options.maxInFlight,
    maxAhead: options.maxAhead,
    deadLetter: options.deadLetter,
    priority: options.priority,
    ackDurability: options.durability,
    update: options.update,
  };
  const { consumer } = await session
    .request('consumer', { name, options: fields })
    .catch((error: unknown) => Promise.reject(withFlag(error)));
  notify(`consumer ${name} is there, made ${consumer!.createdAt}`);
  if (options.json === true) writeLine(JSON.stringify(consumer));
}

/** The server speaks of the option of programs that stands for `--update`. */
function withFlag(error: unknown): unknown {
  if (!(error instanceof BusError) || error.code !== 'CONSUMER_EXISTS') return error;
  const message = error.message.replace('update: true', '--update');
  return new BusError(error.code, message, { ...(error.details && { details: error.details }) });
}
