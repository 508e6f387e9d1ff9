import { type Command, Option } from 'commander';
import type {
  WireDelivery,
  WireOutcome,
  WireSettlement,
} from '../../../protocol/consumer-frames.js';
import {
  BACKOFF_MS_MAX,
  PULL_MAX,
  PULL_WAIT_MS_MAX,
  SETTLEMENTS_PER_RECORD,
} from '../../../protocol/limits/consumers.js';
import { eventText } from '../../../protocol/payload-text.js';
import { act } from '../../act.js';
import { addServerOptions } from '../../config.js';
import { CommandFailure, notify } from '../../failure.js';
import { eventFormat, outputDrained, printable, writeLine } from '../../output.js';
import type { Session } from '../../session.js';
import { durationFrom, integerFrom } from '../../values.js';
import { ackAndPublish, addEventOptions, type EventOptions, hasEvents } from './ack-and-publish.js';
import type { ConsumerCommandOptions } from './options.js';

/**
 * `millrace consumers pull`, `ack`, `nak` and `term`: takes events by hand, and says what became of them. The leases are
 * no connection's, so one command may pull and another acknowledge.
 */

interface PullOptions extends ConsumerCommandOptions {
  max: number;
  wait: number;
}

interface AckOptions extends ConsumerCommandOptions, EventOptions {}

interface NakOptions extends ConsumerCommandOptions {
  delay?: number;
  count: boolean;
  reason?: string;
}

interface TermOptions extends ConsumerCommandOptions {
  reason: string;
}

export function addLeaseCommands(consumers: Command): void {
  addPullCommand(consumers);
  const ack = leaseCommand(consumers, 'ack', 'say that events are done').addOption(
    new Option(
      '--durability <durability>',
      'what to wait for; default: as the consumer says',
    ).choices(['synced', 'written']),
  );
  addEventOptions(ack);
  ack.action((leases: string[]) =>
    act<AckOptions>(ack, (session, options) => {
      const { durability } = options;
      if (hasEvents(options)) return ackAndPublish(session, leases, options);
      const rest = durability === undefined ? {} : { durability };
      return settle(session, leases, { kind: 'ack', ...rest }, options);
    }),
  );
  const nak = leaseCommand(consumers, 'nak', 'give events back: they come again')
    .addOption(
      new Option(
        '--delay <duration>',
        "when they come again; default: the consumer's backoff",
      ).argParser(parseDelay),
    )
    .option('--no-count', 'a planned hand-back, which costs no attempt')
    .option('--reason <text>', 'kept with an event if it dies');
  nak.action((leases: string[]) =>
    act<NakOptions>(nak, (session, options) => {
      const { delay, count, reason } = options;
      const settlement = {
        kind: count ? ('nak' as const) : ('handBack' as const),
        ...(delay === undefined ? {} : { delayMs: delay }),
        ...(reason === undefined ? {} : { reason }),
      };
      return settle(session, leases, settlement, options);
    }),
  );
  const term = leaseCommand(
    consumers,
    'term',
    'say that no attempt will ever succeed: events are dead',
  ).requiredOption('--reason <text>', 'why');
  term.action((leases: string[]) =>
    act<TermOptions>(term, (session, options) =>
      settle(session, leases, { kind: 'term', reason: options.reason }, options),
    ),
  );
}

function addPullCommand(consumers: Command): void {
  const pull = consumers
    .command('pull')
    .description('take events that are there; each line begins with its lease')
    .argument('<name>', 'the name of the consumer')
    .addOption(
      new Option('--max <n>', 'the most events to take')
        .default(1)
        .argParser(integerFrom(1, PULL_MAX)),
    )
    .addOption(
      new Option('--wait <duration>', 'how long to wait for the first, at most 30s')
        .default(0, '0s')
        .argParser(parseWait),
    )
    .option('--json', 'one delivery a line, as JSON');
  addServerOptions(pull);
  pull.action((name: string) =>
    act<PullOptions>(pull, async (session, { max, wait, json }) => {
      const request = { consumer: name, max, waitMs: wait };
      const { deliveries = [] } = await session.requestWithoutTimeout('pull', request);
      const format = eventFormat(false);
      for (const delivery of deliveries) {
        const { lease, event } = delivery;
        const line =
          json === true ? deliveryText(delivery) : `${printable(lease)}  ${format(event)}`;
        if (!writeLine(line)) await outputDrained();
      }
      if (deliveries.length === 0) notify(`there is nothing to do for ${name}`);
    }),
  );
}

const parseWait = durationFrom(0, PULL_WAIT_MS_MAX, 'of at most 30s');
const parseDelay = durationFrom(0, BACKOFF_MS_MAX, 'of at most 30d');

/** The delivery as JSON, with the payload as its publisher wrote it. */
function deliveryText({ event, ...fields }: WireDelivery): string {
  return `${JSON.stringify(fields).slice(0, -1)},"event":${eventText(event)}}`;
}

function leaseCommand(consumers: Command, verb: string, description: string): Command {
  const command = consumers
    .command(verb)
    .description(description)
    .argument('<lease...>', 'as `consumers pull` prints them')
    .option('--json', 'one outcome a line, as JSON');
  return addServerOptions(command);
}

async function settle(
  session: Session,
  leases: readonly string[],
  settlement: Omit<WireSettlement, 'lease'>,
  { json }: ConsumerCommandOptions,
): Promise<void> {
  let failures = 0;
  for (let from = 0; from < leases.length; from += SETTLEMENTS_PER_RECORD) {
    const some = leases.slice(from, from + SETTLEMENTS_PER_RECORD);
    const settlements = some.map((lease) => ({ lease, ...settlement }));
    const { results } = await session.request('settle', { settlements });
    for (const [at, lease] of some.entries()) {
      const result: WireOutcome = results[at] ?? {};
      if (result.code !== undefined) failures++;
      if (json === true) writeLine(JSON.stringify({ lease, ...result }));
      else if (result.code !== undefined)
        notify(printable(`${lease}: ${result.message} (${result.code})`));
    }
  }
  if (failures > 0) {
    throw new CommandFailure(`${failures} of ${leases.length} leases could not be settled`);
  }
}
