/** One event of a batch on its way to the broker, and what became of it. */
import { identityOf } from '../../record/event-identity.js';
import { EVENT_FLAG_SUPPLIED_ID, EventRecordView } from '../../record/event-record.js';
import type { NewEntry } from '../shared/log-stream.js';
import type { ApiFault } from './nats-faults.js';
import type { Subjects } from './subjects.js';

export const MSG_ID = 'Nats-Msg-Id';
export const EXPECTED_OF_TOPIC = 'Nats-Expected-Last-Subject-Sequence';
export const EXPECTED_OF_STREAM = 'Nats-Expected-Last-Sequence';
/** No stream has this as its last sequence. */
export const IMPOSSIBLE = `${Number.MAX_SAFE_INTEGER}`;

/** The bytes of headers around their names and values. */
const HEADERS_BYTES = 'NATS/1.0\r\n\r\n'.length;
const HEADER_BYTES = ': \r\n'.length;

/** What is known of an event: nothing, that the broker has it, that it has not, or that it refused it. */
export type Verdict = 'open' | 'stored' | 'absent' | 'refused';

export interface Flight {
  readonly topic: string;
  readonly id: string;
  readonly hasSuppliedId: boolean;
  readonly subject: string;
  readonly msgId: string;
  readonly bytes: Uint8Array;
  readonly expected: number | undefined;
  verdict: Verdict;
  sequence: number;
  /** Stored before this call. */
  isRepeat: boolean;
  fault: ApiFault | undefined;
  /** That it was not found does not say that it is not stored. */
  isUnsure: boolean;
  /** How often the server has answered that another one with its id is under way. */
  underWay: number;
  /** The last event of the topic, where that is not what was expected; `undefined`: not known, or as expected. */
  found: number | undefined;
}

const view = new EventRecordView();

export function flightOf({ bytes, terms }: NewEntry, subjects: Subjects): Flight {
  view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  const { topic } = view;
  return {
    topic,
    id: view.id,
    hasSuppliedId: (view.flags & EVENT_FLAG_SUPPLIED_ID) !== 0,
    subject: subjects.of(topic),
    msgId: identityOf(view),
    bytes,
    expected: terms?.expected,
    verdict: 'open',
    sequence: 0,
    isRepeat: false,
    isUnsure: false,
    underWay: 0,
    fault: undefined,
    found: undefined,
  };
}

/** The size of its message, headers and all, which the server's `max_payload` bounds. */
export function messageBytes({ msgId, bytes, expected }: Flight): number {
  const id = MSG_ID.length + HEADER_BYTES + Buffer.byteLength(msgId);
  const terms =
    expected === undefined ? 0 : EXPECTED_OF_TOPIC.length + HEADER_BYTES + `${expected}`.length;
  return HEADERS_BYTES + id + terms + bytes.length;
}

/**
 * The events of which a later one of the same topic is stored, and which are not: `isNew` says of a stored event whether
 * it may be one of this batch.
 */
export function overtaken(
  flights: readonly Flight[],
  isNew: (flight: Flight) => boolean,
): Flight[] {
  const stored = new Set<string>();
  return flights.toReversed().filter((flight) => {
    if (flight.verdict === 'stored' && isNew(flight)) stored.add(flight.topic);
    return flight.verdict === 'absent' && stored.has(flight.topic);
  });
}
