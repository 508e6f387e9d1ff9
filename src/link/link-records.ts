/**
 * The records of a link between an endpoint and a shard, except the events themselves (`src/record/event-record.ts`) and
 * the records of durable consumers (`consumer-records.ts`).
 * Integers are little endian; every body starts 8-byte aligned.
 *
 * ```
 * publish ring   PUBLISH      event record
 *
 * control ring   CALL         i32 generation · i32 id · i32 call · i32 0 · JSON of the request
 *                CREDIT       i32 generation · i32 subscription · i32 events · i32 bytes
 *
 * delivery ring  ACK          i32 kind · i32 count · i32 position · i32 0 · f64 first sequence
 *                             · JSON of the error, where the kind is REFUSED
 *                EVENT        f64 sequence (0: ephemeral) · i32 n · i32 0 · n × i32 subscription
 *                             · padding to 8 · event record
 *                REPLY        i32 id · i32 ok (1 or 0) · i32 length of the JSON · i32 0
 *                             · JSON of the answer, or of the error · bytes of the answer
 *                STATE        i32 subscription · i32 state · JSON text
 * ```
 *
 * An ack's `position` is the publish ring's position behind the last publish that the ack covers. After a crash a shard
 * repeats every ack that it may not have sent; the endpoint recognises a repeated ack by its position and skips it. A
 * control record with another generation than the shard's is from before the shard's restart and is ignored: the
 * endpoint repeats everything that still matters. The calls are in `calls.ts`.
 */
import type { Gap } from '../protocol/bus-api.js';
import type { ErrorCode } from '../protocol/errors.js';

export const PUBLISH = 1;

export const CONTROL_CALL = 1;
export const CONTROL_CREDIT = 2;

/** Offset in both control records. */
export const CONTROL_GENERATION = 0;
export const CALL_ID = 4;
export const CALL_NUMBER = 8;
export const CALL_REQUEST = 16;
export const CREDIT_SUBSCRIPTION = 4;
export const CREDIT_EVENTS_COUNT = 8;
export const CREDIT_BYTES_COUNT = 12;
export const CREDIT_LENGTH = 16;

export const DELIVERY_ACK = 1;
export const DELIVERY_EVENT = 2;
export const DELIVERY_REPLY = 3;
export const DELIVERY_STATE = 4;

export const ACK_KIND = 0;
export const ACK_COUNT = 4;
export const ACK_POSITION = 8;
export const ACK_SEQUENCE = 16;
export const ACK_LENGTH = 24;

export const ACK_SYNCED = 0;
export const ACK_WRITTEN = 1;
export const ACK_EPHEMERAL = 2;
/** The event was stored before and is flushed. */
export const ACK_DUPLICATE = 3;
/** The event was stored before and is not flushed yet; used only for a publish with `written`. */
export const ACK_DUPLICATE_WRITTEN = 4;
export const ACK_REFUSED = 5;
/** The publish is stored and waits for its time, which the ack has in the place of the sequence: ms since 1970. */
export const ACK_WAITING = 6;
export const ACK_WAITING_WRITTEN = 7;
/** It repeats a publish that waits, until the time that the ack has. */
export const ACK_WAITING_DUPLICATE = 8;
export const ACK_WAITING_DUPLICATE_WRITTEN = 9;

/** True for an ack that has a time in the place of its sequence, the same for all its publishes. */
export function isWaitingAck(kind: number): boolean {
  return kind >= ACK_WAITING;
}

export const EVENT_SEQUENCE = 0;
export const EVENT_SUBSCRIPTIONS = 8;
export const EVENT_SUBSCRIPTION_IDS = 16;

/** Offset of the event record in an EVENT body that names `count` subscriptions. */
export function eventRecordOffset(count: number): number {
  return (EVENT_SUBSCRIPTION_IDS + 4 * count + 7) & ~7;
}

export const REPLY_ID = 0;
export const REPLY_OK = 4;
export const REPLY_JSON_LENGTH = 8;
export const REPLY_JSON = 16;

export const STATE_SUBSCRIPTION = 0;
export const STATE_STATE = 4;
export const STATE_BODY = 8;

/** The shard has stopped sending live events: `{ position }`, everything up to there was sent. */
export const STATE_LAGGING = 1;
/** Everything up to `{ position }` was sent; live events follow. */
export const STATE_LIVE = 2;
/** The subscription is too far behind for the shard: the endpoint reads on from `{ position }`. */
export const STATE_BEHIND = 3;
/** `{ count }` more events were dropped. */
export const STATE_DROPPED = 4;
/** `{ code, message, position }`: the shard ended the subscription. */
export const STATE_ENDED = 5;
/** `{ from, to, reason }`: history that cannot be delivered. */
export const STATE_GAP = 6;

/** The JSON of a STATE record; each state uses some of these fields. */
export interface StateBody extends Omit<Gap, 'shard'> {
  readonly position: number;
  readonly count: number;
  readonly code: ErrorCode;
  readonly message: string;
}
