import { BusError } from '../../protocol/errors.js';
import type { PublishManyOptions } from '../../protocol/event.js';
import { JsonScanner } from '../../protocol/json-scanner.js';
import { notePayloadTexts } from '../../protocol/payload-text.js';
import { quote } from '../../protocol/quote.js';
import type { DoorContext } from '../door.js';
import { assertStillHolds, cursorBefore } from '../permissions.js';
import { PublishLane } from '../publish-lane.js';
import { eventOf, eventsOf } from './event-bodies.js';
import { CURSOR_HEADER, type Exchange, sendJson } from './exchange.js';

/** `POST /v1/consumers/NAME/ack` with `publish`: the ack of a lease and events that follow, in one commit. */

const FIELDS = [
  'lease',
  'publish',
  'durability',
  'expect',
  'idScope',
  'deliverAt',
  'delayMs',
  'ttlMs',
];

/** @param text the body as it came, of which payloads keep their texts */
export async function ackAndPublish(
  exchange: Exchange,
  body: Readonly<Record<string, unknown>>,
  text: string,
  { consumers, endpoint }: DoorContext,
): Promise<void> {
  const { lease, publish, ...options } = body;
  for (const field of Object.keys(body)) {
    if (!FIELDS.includes(field)) throw malformed(field, `is no field of an ack with events`);
  }
  if (typeof lease !== 'string') {
    throw malformed('lease', `has to be the text of one lease, not ${quote(lease)}`);
  }
  const { principal, response, segments } = exchange;
  const events = eventsOf(publish, (value, path) => eventOf(value, `publish.${path}`));
  if (events.length === 0) throw malformed('publish', 'has no events');
  const scanner = new JsonScanner(text);
  scanner.members((key) => {
    if (key === 'publish') notePayloadTexts(scanner, publish, 'payload');
  });
  const lane = new PublishLane(endpoint, () => assertStillHolds(principal));
  const name = segments.name!;
  // The bus checks the options.
  const request = { ...(options as PublishManyOptions), lease, events, name };
  const acks = await consumers.leases.ackAndPublish(exchange, request, lane);
  const cursor = cursorBefore(principal, acks);
  sendJson(response, 200, { acks }, cursor === undefined ? {} : { [CURSOR_HEADER]: cursor });
}

function malformed(path: string, fault: string): BusError {
  return new BusError('MESSAGE_INVALID', `${quote(path)} ${fault}`, { details: { path } });
}
