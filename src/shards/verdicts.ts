import {
  NOT_EXPECTED,
  STORED_APART,
  TOO_MANY_WAITING,
  WAITS_APART,
} from '../link/publish-records.js';
import { storedApartError, unexpectedError } from '../protocol/conflicts.js';
import type { ErrorData } from '../protocol/errors.js';
import { WAITING_PUBLISHES_MAX } from '../protocol/limits/schedules.js';
import type { EventRecordView } from '../record/event-record.js';

/** A publish that was refused by its terms, or the event for which its group was. */
export interface RefusedPublish {
  readonly event: EventRecordView;
  /** 0: no event was expected. */
  readonly expected: number;
  /** The sequence that the verdict rests on, or the time of one that waits; 0 for none. */
  readonly found: number;
  /** The id of that event; undefined if it has been pruned. */
  readonly id: string | undefined;
  /** Of the event in its group. */
  readonly index: number | undefined;
}

/** For a group that acknowledges a lease which has ended. */
export const LEASE_ENDED_ERROR: ErrorData = {
  code: 'LEASE_LOST',
  message:
    'the event is not leased to this delivery any more: neither the ack nor the events are stored',
};

/** For a log that has no `lastSequenceOf`, and does not judge what publishers expect. */
export const NO_EXPECT_ERROR: ErrorData = {
  code: 'OPTION_INVALID',
  message: 'the store of this bus, which other nodes write to, does not take expect',
};

/** For a log that has no `lastSequenceOf`, and does not judge groups. */
export const NO_GROUPS_ERROR: ErrorData = {
  code: 'OPTION_INVALID',
  message: 'the store of this bus, which other nodes write to, does not take atomic',
};

/** For a log that has no `scheduled`. */
export const NO_LATER_ERROR: ErrorData = {
  code: 'OPTION_INVALID',
  message:
    'the store of this bus keeps no publishes that wait: it takes neither deliverAt nor delayMs',
};

export const TOO_MANY_WAITING_ERROR: ErrorData = {
  code: 'LIMIT_EXCEEDED',
  message: `${WAITING_PUBLISHES_MAX} publishes wait for their time in this shard, which is the limit`,
  details: { limit: WAITING_PUBLISHES_MAX },
};

/** The error of a verdict, the same in the thread that judged and in its successor. */
export function refusalOfVerdict(verdict: number, refused: RefusedPublish): ErrorData {
  const { event, expected, found, id, index } = refused;
  const { topic } = event;
  if (verdict === NOT_EXPECTED) return unexpectedError({ topic, expected, found, id, index });
  if (verdict === STORED_APART) return storedApartError({ topic, id: event.id, found, index });
  if (verdict === WAITS_APART) return waitsApart(refused);
  if (verdict === TOO_MANY_WAITING) return TOO_MANY_WAITING_ERROR;
  return LEASE_ENDED_ERROR;
}

function waitsApart({ event, found, index }: RefusedPublish): ErrorData {
  const { topic, id } = event;
  const deliverAt = new Date(found).toISOString();
  return {
    code: 'CONFLICT',
    message: `event ${id} on ${topic} waits for its time already, and not all of its group does`,
    details: { topic, deliverAt, id, index },
  };
}
