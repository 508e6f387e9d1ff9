import { type Command, InvalidArgumentError, Option } from 'commander';
import { BusError } from '../../../protocol/errors.js';
import type { Expectation, PublishManyOptions } from '../../../protocol/event.js';
import { jsonFaultText } from '../../../protocol/json-fault.js';
import { onOneLine } from '../../../protocol/json-scanner.js';
import { PUBLISH_MANY_MAX } from '../../../protocol/limits/bus-api.js';
import { KIB } from '../../../protocol/limits/units.js';
import { readableAck } from '../../acks.js';
import { CommandFailure, usageFailure } from '../../failure.js';
import { inputLines } from '../../input-lines.js';
import { writeLine } from '../../output.js';
import type { Session } from '../../session.js';
import { collect, parseDuration, parseExpectation, parseInstant } from '../../values.js';
import type { ConsumerCommandOptions } from './options.js';

/** `millrace consumers ack --publish`: the ack of a lease, and the events that follow from it, in one commit. */

/** What `--expect` says: of one topic, or of the topic of all events. */
interface Expected {
  readonly topic?: string;
  readonly expectation: Expectation;
}

export interface EventOptions {
  publish?: string[];
  durability?: 'synced' | 'written';
  expect?: Expected[];
  idScope?: 'topic' | 'source';
  deliverAt?: string;
  delay?: number;
  ttl?: number;
}

/** Room in a frame for the text around its events. */
const ENVELOPE_BYTES = 16 * KIB;

export function addEventOptions(ack: Command): void {
  ack
    .addOption(
      new Option(
        '--publish <event>',
        "an event to publish in the commit of the ack, as JSON; may be repeated; '-' reads one from each line of stdin",
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--expect <sequence>',
        "with --publish: only if the topic's last event has this sequence, or if it has 'none'; TOPIC:17 and TOPIC:none for several topics",
      ).argParser(collectExpected),
    )
    .addOption(
      new Option('--id-scope <scope>', 'with --publish: which ids are compared with yours').choices(
        ['topic', 'source'],
      ),
    )
    .addOption(
      new Option('--deliver-at <time>', 'with --publish: when the events are published').argParser(
        parseInstant,
      ),
    )
    .addOption(
      new Option('--delay <duration>', 'with --publish: publish them so much later').argParser(
        parseDuration,
      ),
    )
    .addOption(
      new Option(
        '--ttl <duration>',
        'with --publish: nobody gets or reads them any more after 10s, 5m, 1h',
      ).argParser(parseDuration),
    );
}

/** @throws CommandFailure for options that need events where there are none */
export function hasEvents(options: EventOptions): boolean {
  const { publish, expect, idScope, deliverAt, delay, ttl } = options;
  if (publish !== undefined) return true;
  if ((expect ?? idScope ?? deliverAt ?? delay ?? ttl) === undefined) return false;
  throw usageFailure(
    '--expect, --id-scope, --deliver-at, --delay and --ttl are for the events of --publish',
  );
}

export async function ackAndPublish(
  session: Session,
  leases: readonly string[],
  options: EventOptions & ConsumerCommandOptions,
): Promise<void> {
  const [lease] = leases;
  if (lease === undefined || leases.length > 1) {
    throw usageFailure('--publish is for one lease: the events are stored with its ack');
  }
  const { durability, idScope, deliverAt, delay, ttl, json } = options;
  const terms: PublishManyOptions = {};
  if (durability !== undefined) terms.durability = durability;
  if (idScope !== undefined) terms.idScope = idScope;
  if (deliverAt !== undefined) terms.deliverAt = deliverAt;
  if (delay !== undefined) terms.delayMs = delay;
  if (ttl !== undefined) terms.ttlMs = ttl;
  const expect = expectationsOf(options.expect);
  if (expect !== undefined) terms.expect = expect;
  const events = await eventTexts(options.publish!, session.welcome.limits.frameBytes);
  const head = JSON.stringify({ lease, ...terms }).slice(0, -1);
  try {
    const { acks } = await session.requestText(
      'ackAndPublish',
      `${head},"events":[${events.join(',')}]}`,
    );
    if (json === true) writeLine(JSON.stringify({ lease, acks }));
    else for (const ack of acks) writeLine(readableAck(ack));
  } catch (error) {
    if (error instanceof CommandFailure) throw unknown(error);
    if (!(error instanceof BusError) || error.code !== 'LEASE_LOST' || json !== true) throw error;
    const { code, message } = error;
    writeLine(JSON.stringify({ lease, code, message }));
    throw new CommandFailure('the lease is lost, and nothing was published');
  }
}

/** The connection was lost, or the answer did not come in time. */
function unknown({ message, exitCode }: CommandFailure): CommandFailure {
  const rest =
    'the ack and the events are stored together, or neither is; with an id on each event a repeat is safe';
  return new CommandFailure(`${message}; ${rest}`, exitCode);
}

/** The JSON texts of the events, so that no number in a payload changes. */
async function eventTexts(given: readonly string[], frameBytes: number): Promise<string[]> {
  const texts: string[] = [];
  let bytes = ENVELOPE_BYTES;
  const add = (text: string, place: string): void => {
    assertObject(text, place);
    const one = onOneLine(text.trim());
    bytes += Buffer.byteLength(one) + 1;
    if (bytes > frameBytes) {
      const message = `the events have ${bytes - ENVELOPE_BYTES} bytes and more; the server takes frames of ${frameBytes}`;
      throw new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes, frameBytes } });
    }
    texts.push(one);
    if (texts.length > PUBLISH_MANY_MAX) {
      throw usageFailure(`more than ${PUBLISH_MANY_MAX} events cannot be stored in one commit`);
    }
  };
  if (!given.includes('-')) {
    for (const [at, text] of given.entries()) add(text, `--publish ${at + 1}`);
    return texts;
  }
  if (given.length > 1) throw usageFailure('--publish - takes all events from stdin, and no other');
  for await (const lines of inputLines(process.stdin.setEncoding('utf8'))) {
    for (const { number, text } of lines) add(text, `line ${number}`);
  }
  process.stdin.destroy();
  if (texts.length === 0) throw usageFailure('stdin has no events');
  return texts;
}

/** The server checks the fields of the event. */
function assertObject(text: string, place: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usageFailure(`${place} is no JSON: ${jsonFaultText(text)}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw usageFailure(`${place} is no event: it has to be an object with topic, type and payload`);
}

function collectExpected(text: string, before: readonly Expected[] | undefined): Expected[] {
  const colon = text.lastIndexOf(':');
  const expectation = parseExpectation(text.slice(colon + 1));
  if (colon === 0) throw new InvalidArgumentError('It names no topic.');
  const one = colon < 0 ? { expectation } : { topic: text.slice(0, colon), expectation };
  return [...(before ?? []), one];
}

function expectationsOf(expected: readonly Expected[] | undefined): PublishManyOptions['expect'] {
  if (expected === undefined) return undefined;
  const [first] = expected;
  if (expected.length === 1 && first!.topic === undefined) return first!.expectation;
  const byTopic = new Map<string, Expectation>();
  for (const { topic, expectation } of expected) {
    if (topic === undefined || byTopic.has(topic)) {
      throw usageFailure('--expect several times needs another topic each time: --expect TOPIC:17');
    }
    byTopic.set(topic, expectation);
  }
  return Object.fromEntries(byTopic);
}
