/** Why a stream has refused an event, or why the publisher has given it up. */
import { unexpectedError } from '../../protocol/conflicts.js';
import type { AppendRefusal } from '../shard-log.js';
import { type Flight, messageBytes } from './flight.js';
import {
  type ApiFault,
  isFull,
  isTooLarge,
  isUnexpected,
  notKnown,
  outOfOrder,
  storeFull,
  tooLarge,
} from './nats-faults.js';

export const OVERTAKEN: ApiFault = {
  err_code: 0,
  description: 'a later event of the topic is stored',
};
export const UNSURE: ApiFault = {
  err_code: 0,
  description:
    'a later event of the topic is, and events of that time are missing or were stored before',
};
export const HELD: ApiFault = {
  err_code: 0,
  description: 'the servers say that another one with its id is under way, and have none',
};

/** `stream` and `maxPayload` are for its words. */
export function refusalOf(flight: Flight, stream: string, maxPayload: number): AppendRefusal {
  const { topic, id, fault, expected = 0, found = 0 } = flight;
  if (fault === undefined) {
    const error = tooLarge(messageBytes(flight), maxPayload, 'max_payload');
    return { found: 0, error };
  }
  if (fault === OVERTAKEN) return { found: 0, error: outOfOrder(topic, id) };
  if (fault === UNSURE || fault === HELD) {
    return { found: 0, error: notKnown(topic, id, fault.description) };
  }
  if (isFull(fault)) return { found: 0, error: storeFull(stream, fault.description) };
  if (isTooLarge(fault)) {
    const message = `the event is larger than max_msg_size of stream ${stream}`;
    return { found: 0, error: { code: 'PAYLOAD_TOO_LARGE', message } };
  }
  if (isUnexpected(fault)) {
    return { found, error: unexpectedError({ topic, expected, found }) };
  }
  const message = `stream ${stream} refuses the event: ${fault.description}`;
  return { found: 0, error: { code: 'STORE_FAILED', message } };
}
