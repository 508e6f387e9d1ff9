import { type Command, Option } from 'commander';
import type { Expectation, PublishAck } from '../../protocol/event.js';
import { readableAck } from '../acks.js';
import { bodyText } from '../body.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { lineFailure, notify, usageFailure } from '../failure.js';
import { inputLines, LINE_LENGTH_MAX } from '../input-lines.js';
import { writeLine } from '../output.js';
import { type EventFields, PublishStream, type PublishStreamOptions } from '../publish-stream.js';
import { Session } from '../session.js';
import {
  type Attributes,
  collectAttribute,
  integerFrom,
  parseDuration,
  parseExpectation,
  parseInstant,
  parseRate,
  singleValues,
} from '../values.js';

/**
 * `millrace pub`: publishes one event, the same one several times, or one for each line of stdin.
 */

interface PubOptions extends ServerSettings {
  type: string;
  source: string;
  id?: string;
  correlationId?: string;
  causationId?: string;
  attribute?: Attributes;
  count?: number;
  fromLine?: number;
  rate?: number;
  atomic?: true;
  expect?: Expectation;
  deliverAt?: string;
  delay?: number;
  ttl?: number;
  durability?: 'synced' | 'written';
  persist: boolean;
  text?: true;
  json?: true;
}

const DEFAULT_TYPE = 'user_input';
const DEFAULT_SOURCE = 'cli';

export function addPubCommand(program: Command): void {
  const command = program
    .command('pub')
    .description('publish events')
    .argument('<topic>', 'topic to publish to, such as worker.1.progress')
    .argument(
      '[body]',
      "payload, JSON or text; '-' reads one from each line of stdin; default: null",
    )
    .option('--type <type>', 'the event type, without spaces', DEFAULT_TYPE)
    .option('--source <source>', 'source of the events', DEFAULT_SOURCE)
    .option('--id <id>', 'id of a single event; a repeat within the dedupe window is a duplicate')
    .option('--correlation-id <id>', 'id shared by events that belong together')
    .option('--causation-id <id>', 'the id of the event that caused this one')
    .addOption(
      new Option(
        '--attribute <key=value>',
        'attribute that subscribers can filter by; may be repeated',
      ).argParser(collectAttribute),
    )
    .addOption(
      new Option(
        '--count <n>',
        'publish the event n times; with body -, at most n lines',
      ).argParser(integerFrom(1)),
    )
    .addOption(
      new Option('--from-line <n>', 'with body -, begin at this line of stdin').argParser(
        integerFrom(1),
      ),
    )
    .addOption(new Option('--rate <n>', 'at most n events per second').argParser(parseRate))
    .option('--atomic', 'store all events in one commit, or none; with body - or --count')
    .addOption(
      new Option(
        '--expect <sequence>',
        "publish only if the topic's last event has this sequence, or if it has 'none'; for one event or --atomic",
      ).argParser(parseExpectation),
    )
    .addOption(
      new Option('--deliver-at <time>', 'when the event is published').argParser(parseInstant),
    )
    .addOption(
      new Option('--delay <duration>', 'publish it so much later: 10s, 5m, 1h').argParser(
        parseDuration,
      ),
    )
    .addOption(
      new Option(
        '--ttl <duration>',
        'nobody gets or reads it any more after 10s, 5m, 1h',
      ).argParser(parseDuration),
    )
    .addOption(
      new Option('--durability <level>', 'durability that the answer waits for').choices([
        'synced',
        'written',
      ]),
    )
    .option('--no-persist', 'deliver live only, store nothing')
    .option('--text', 'take every body as text, never as JSON')
    .option('--json', 'print the acknowledgements, one a line, as JSON');
  addServerOptions(command);
  command.action(async (topic: string, body: string | undefined) => {
    applyConfig(command);
    await publish(topic, body, command.opts<PubOptions>());
  });
}

async function publish(
  topic: string,
  body: string | undefined,
  options: PubOptions,
): Promise<void> {
  const isInput = body === '-';
  const isOne = !isInput && options.count === undefined;
  if (options.id !== undefined && !isOne) {
    throw usageFailure('--id is for one event: events with the same id are one event');
  }
  if (options.fromLine !== undefined && !isInput) {
    throw usageFailure('--from-line is for the lines of stdin: millrace pub TOPIC -');
  }
  if (options.atomic === true && options.rate !== undefined) {
    throw usageFailure('--rate is for events that are published one by one, and --atomic is not');
  }
  if (options.expect !== undefined && !isOne && options.atomic !== true) {
    throw usageFailure('--expect is for one event, or for the events of --atomic');
  }
  // Fields and body are checked before the session is opened.
  const fields = eventFields(topic, options);
  const isText = options.text === true;
  const payload = isInput || body === undefined ? 'null' : bodyText(body, isText);
  const session = await Session.open(options);
  try {
    const stream = new PublishStream(session, fields, {
      ...streamOptions(options),
      onAcks: (acks) => printAcks(acks, options.json === true, isOne),
    });
    if (isInput) await addInput(stream, isText, options);
    else for (let i = options.count ?? 1; i > 0; i--) await stream.add(payload);
    await stream.end();
    if (!isOne) notify(summary(stream));
  } finally {
    session.close();
  }
}

function summary({ acked, duplicates }: PublishStream): string {
  const text = `published ${acked} ${acked === 1 ? 'event' : 'events'}`;
  return duplicates === 0 ? text : `${text}, ${duplicates} of them duplicates`;
}

/** Publishes one event for each line of stdin, at most `count`, from the line `fromLine` on. */
async function addInput(
  stream: PublishStream,
  isText: boolean,
  { count = Number.POSITIVE_INFINITY, fromLine = 1 }: PubOptions,
): Promise<void> {
  const { stdin } = process;
  let left = count;
  let at = fromLine;
  try {
    for await (const lines of inputLines(stdin.setEncoding('utf8'))) {
      for (const { number, text } of lines.filter((line) => line.number >= fromLine)) {
        if (left-- <= 0) break;
        at = number;
        await stream.add(lineText(text, isText), number);
      }
      // These lines are published now, however few they are, as the next may be long in coming.
      await stream.flush();
      if (left <= 0) break;
    }
    await stream.end();
  } catch (error) {
    // By then every line before the faulty one is published, or belongs to a frame that failed earlier.
    await stream.settle();
    throw lineFailure(error, stream.failed ?? { first: at, last: at });
  }
  stdin.destroy();
}

function lineText(text: string, isText: boolean): string {
  if (text.length <= LINE_LENGTH_MAX) return bodyText(text, isText);
  throw usageFailure(`it is longer than ${LINE_LENGTH_MAX} characters`);
}

function printAcks(acks: readonly PublishAck[], isJson: boolean, isOne: boolean): void {
  for (const ack of acks) {
    if (isJson) writeLine(JSON.stringify(ack));
    else if (isOne) writeLine(readableAck(ack));
  }
}

function eventFields(topic: string, options: PubOptions): EventFields {
  const { type, source, id, correlationId, causationId, attribute } = options;
  const fields: EventFields = { topic, type, source };
  if (id !== undefined) fields.id = id;
  if (correlationId !== undefined) fields.correlationId = correlationId;
  if (causationId !== undefined) fields.causationId = causationId;
  if (attribute !== undefined) fields.attributes = singleValues(attribute);
  return fields;
}

function streamOptions(options: PubOptions): PublishStreamOptions {
  const result: PublishStreamOptions = {};
  if (options.rate !== undefined) result.rate = options.rate;
  if (options.durability !== undefined) result.durability = options.durability;
  if (!options.persist) result.persist = false;
  if (options.atomic === true) result.atomic = true;
  if (options.expect !== undefined) result.expect = options.expect;
  if (options.deliverAt !== undefined) result.deliverAt = options.deliverAt;
  if (options.delay !== undefined) result.delayMs = options.delay;
  if (options.ttl !== undefined) result.ttlMs = options.ttl;
  return result;
}
