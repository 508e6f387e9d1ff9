import type { Principal } from '../auth/principal.js';
import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import type { Event, EventInput } from '../protocol/event.js';
import { assertRespondPattern, type RequestOptions } from '../protocol/requests.js';
import {
  assertMayPublishAll,
  assertMayRead,
  assertStillHolds,
  permittedEvents,
} from './permissions.js';

/** Who may ask and answer, for every door. */

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
