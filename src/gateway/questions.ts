import type { Principal } from '../auth/principal.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { Event, EventInput } from '../protocol/event.js';
import { givenPayloadText } from '../protocol/payload-text.js';
import { assertRespondPattern, type RequestOptions } from '../protocol/requests.js';
import type { Places } from './budget/places.js';
import {
  assertMayPublishAll,
  assertMayRead,
  assertStillHolds,
  permittedEvents,
} from './permissions.js';

/** Who may ask and answer, and how much of it, for every door. */

/**
 * Asks for a client. A question is published on its topic, and has the definitions of the thread that opened the bus.
 *
 * @throws BusError `FORBIDDEN`, `TOPIC_INVALID`, `PAYLOAD_INVALID`, and as `BusApi.request`
 */
export async function askPermitted(
  endpoint: BusEndpoint,
  principal: Principal,
  event: EventInput,
  options: RequestOptions,
): Promise<Event> {
  const input = permittedEvents(principal, [event])[0]!;
  const check = internalsOf(endpoint)?.openerChecks?.check([input], false);
  if (check !== undefined) {
    await check;
    assertStillHolds(principal);
  }
  return endpoint.request(input, options);
}

/**
 * A responder reads the questions on its topics and speaks there, so it needs the grants for both: who may only read them
 * cannot answer in the place of another. @throws BusError `FORBIDDEN`, `PATTERN_INVALID`
 */
export function assertMayRespond(principal: Principal, pattern: string): void {
  assertRespondPattern(pattern);
  assertMayRead(principal, pattern);
  assertMayPublishAll(principal, pattern);
}

/**
 * Takes the places of a request that waits, for it and its payload; the returned function gives them back.
 *
 * @throws BusError `LIMIT_EXCEEDED`
 */
export function placesOfRequest(places: Places, event: EventInput): () => void {
  const leave = places.take('requests');
  try {
    const leaveLength = places.take('requestLength', textOf(event).length);
    return () => {
      leave();
      leaveLength();
    };
  } catch (error) {
    leave();
    throw error;
  }
}

function textOf(event: EventInput): string {
  return givenPayloadText(event) ?? JSON.stringify(event.payload) ?? '';
}
