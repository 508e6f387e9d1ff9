/**
 * The records of durable consumers in the rings of a link, beside those in `link-records.ts`. Integers are little endian;
 * every body starts 8-byte aligned. A record stands in its ring whole or not at all; a view refuses a record of another
 * length than its fields say. An ack together with publishes is a GROUP (`publish-records.ts`).
 *
 * ```
 * control ring   SETTLE    i32 generation · i32 member · i32 count · i32 0 · f64 number of the first
 *                          · count × { f64 sequence · f64 lease · u32 kind · u32 delay, ms }
 *                REASON    i32 generation · i32 member · i32 length of the text · i32 0 · f64 number · UTF-8 text
 *                TOKENS    i32 generation · i32 member · i32 count (under 0: taken back) · i32 concurrency
 *
 * delivery ring  LEASE     f64 sequence · f64 lease · f64 deadline · i32 member · i32 attempt · i32 flags · i32 0
 *                          · event record
 *                SETTLED   i32 member · i32 count · f64 number of the last · count × f64 number of one that was refused
 *                SUPPLY    i32 member · i32 what · i32 count · i32 0, and of LOST: · f64 sequence · f64 lease
 * ```
 *
 * An endpoint numbers its settlements for each shard from 1 on; a record holds consecutive ones. A REASON goes before the
 * record with its settlement. SETTLED confirms all settlements up to its number, after their commit. SUPPLY records and
 * LEASE records of a member are in one ring, so READY, DRY and the tokens keep their order. A deadline is a time of
 * `elapsedMs`. A control record of another generation than the shard's is ignored, as those in `link-records.ts` are.
 */
import { SETTLEMENT_BYTES_MAX } from '../protocol/limits/consumers.js';
import { CONTROL_CREDIT, CONTROL_GENERATION, DELIVERY_STATE } from './link-records.js';

export const CONTROL_SETTLE = CONTROL_CREDIT + 1;
export const CONTROL_REASON = CONTROL_SETTLE + 1;
export const CONTROL_TOKENS = CONTROL_REASON + 1;

export const DELIVERY_LEASE = DELIVERY_STATE + 1;
export const DELIVERY_SETTLED = DELIVERY_LEASE + 1;
export const DELIVERY_SUPPLY = DELIVERY_SETTLED + 1;

/** The kinds of a settlement. */
export const SETTLE_ACK = 0;
/** An ack that need not be flushed. */
export const SETTLE_ACK_WRITTEN = 1;
export const SETTLE_NAK = 2;
/** A `nak` that costs no attempt. */
export const SETTLE_HAND_BACK = 3;
export const SETTLE_TERM = 4;
export const SETTLE_WORKING = 5;
/** Stands for the delay of a `nak` that names none: the consumer's backoff decides. */
export const DELAY_OF_BACKOFF = 0xffff_ffff;

/** The flags of a lease. The event is leased to a member that has nothing else in hand. */
export const LEASE_ALONE = 1;
/** The lease is its caller's, and outlives the member. */
export const LEASE_DETACHED = 2;

/** What a SUPPLY record says: the shard has events for the member and no token of it. */
export const SUPPLY_READY = 1;
/** The shard has no events left for the member. */
export const SUPPLY_DRY = 2;
/** So many tokens come back. */
export const SUPPLY_RETURNED = 3;
/** A lease has ended without a settlement. */
export const SUPPLY_LOST = 4;
/** The consumer is gone, and the member with it. */
export const SUPPLY_GONE = 5;

export const CONTROL_MEMBER = CONTROL_GENERATION + 4;

export const SETTLE_COUNT = CONTROL_MEMBER + 4;
export const SETTLE_FIRST = SETTLE_COUNT + 8;
export const SETTLE_HEAD_LENGTH = SETTLE_FIRST + 8;
export const SETTLEMENT_SEQUENCE = 0;
export const SETTLEMENT_LEASE = SETTLEMENT_SEQUENCE + 8;
export const SETTLEMENT_KIND = SETTLEMENT_LEASE + 8;
export const SETTLEMENT_DELAY = SETTLEMENT_KIND + 4;
export const SETTLEMENT_LENGTH = SETTLEMENT_DELAY + 4;

export const REASON_LENGTH = CONTROL_MEMBER + 4;
export const REASON_NUMBER = REASON_LENGTH + 8;
export const REASON_TEXT = REASON_NUMBER + 8;

export const TOKENS_COUNT = CONTROL_MEMBER + 4;
export const TOKENS_CONCURRENCY = TOKENS_COUNT + 4;
export const TOKENS_RECORD_LENGTH = TOKENS_CONCURRENCY + 4;

export const LEASE_SEQUENCE = 0;
export const LEASE_LEASE = LEASE_SEQUENCE + 8;
export const LEASE_DEADLINE = LEASE_LEASE + 8;
export const LEASE_MEMBER = LEASE_DEADLINE + 8;
export const LEASE_ATTEMPT = LEASE_MEMBER + 4;
export const LEASE_FLAGS = LEASE_ATTEMPT + 4;
/** Where the event record begins in a LEASE body. */
export const LEASE_EVENT = LEASE_FLAGS + 8;

export const SETTLED_MEMBER = 0;
export const SETTLED_COUNT = SETTLED_MEMBER + 4;
export const SETTLED_THROUGH = SETTLED_COUNT + 4;
export const SETTLED_REFUSED = SETTLED_THROUGH + 8;

export const SUPPLY_MEMBER = 0;
export const SUPPLY_WHAT = SUPPLY_MEMBER + 4;
export const SUPPLY_COUNT = SUPPLY_WHAT + 4;
export const SUPPLY_SEQUENCE = SUPPLY_COUNT + 8;
export const SUPPLY_LEASE = SUPPLY_SEQUENCE + 8;
export const SUPPLY_RECORD_LENGTH = SUPPLY_SEQUENCE;
export const LOST_RECORD_LENGTH = SUPPLY_LEASE + 8;

for (const [name, offset] of Object.entries({
  SETTLE_FIRST,
  SETTLE_HEAD_LENGTH,
  SETTLEMENT_LENGTH,
  REASON_NUMBER,
  LEASE_EVENT,
  SETTLED_THROUGH,
  SUPPLY_SEQUENCE,
})) {
  if (offset % 8 !== 0) throw new Error(`${name} is ${offset}, not a multiple of 8`);
}
if (SETTLEMENT_LENGTH > SETTLEMENT_BYTES_MAX || LEASE_EVENT !== 40) {
  throw new Error(`a settlement has ${SETTLEMENT_LENGTH} bytes, a lease's head ${LEASE_EVENT}`);
}
