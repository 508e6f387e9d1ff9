import type { Event, EventInput } from '../../protocol/event.js';
import { ATTRIBUTES_MAX } from '../../protocol/limits/events.js';
import { FORWARD_HOPS_MAX, FORWARD_NAME_LENGTH_MAX } from '../../protocol/limits/forward.js';
import { PAYLOAD_TEXT, payloadTextOf, type WithPayloadText } from '../../protocol/payload-text.js';

/**
 * What is published for a forwarded event. The attribute `forwardedVia` lists the buses that it has come through, so that
 * none gets it twice, however buses forward to each other. Pure.
 */

export const VIA = 'forwardedVia';

const NAME = /^[A-Za-z0-9._-]+$/;

/** Why a text is no name of a bus, or `undefined`. */
export function busNameFault(name: unknown): string | undefined {
  const isName = typeof name === 'string' && NAME.test(name);
  if (isName && name.length <= FORWARD_NAME_LENGTH_MAX) return undefined;
  return `has to be a name of 1 to ${FORWARD_NAME_LENGTH_MAX} characters of A-Z a-z 0-9 . _ -`;
}

export interface Route {
  readonly here: string;
  readonly there: string;
  /** The topic on the other bus; `undefined`: the event does not go there. */
  readonly topicOf: (event: Event) => string | undefined;
}

/** An event as it is published on the other bus. */
export type Forwarded = EventInput & WithPayloadText & { readonly id: string };

/** What becomes of an event: it goes on, it need not, or it cannot. */
export type Outgoing =
  | { readonly input: Forwarded }
  | { readonly isSkipped: true }
  | { readonly fault: string };

export function outgoing(event: Event, { here, there, topicOf }: Route): Outgoing {
  const { id, type, payload, source, timestamp, correlationId, causationId } = event;
  const { attributes = {}, expiresAt } = event;
  const via = attributes[VIA] === undefined ? [] : attributes[VIA].split(',');
  if (via.includes(there)) return { isSkipped: true };
  const topic = topicOf(event);
  if (topic === undefined) return { isSkipped: true };
  if (via.length >= FORWARD_HOPS_MAX) {
    return { fault: `it came through ${via.length} buses, and more are not named` };
  }
  if (via.length === 0 && Object.keys(attributes).length >= ATTRIBUTES_MAX) {
    return { fault: `it has ${ATTRIBUTES_MAX} attributes, and forwarding needs one more` };
  }
  return {
    input: {
      ...{ id, topic, type, payload, source, timestamp },
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(causationId === undefined ? {} : { causationId }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      attributes: { ...attributes, [VIA]: [...via, here].join(',') },
      [PAYLOAD_TEXT]: payloadTextOf(event),
    },
  };
}
