import type { BusError } from '../protocol/errors.js';
/**
 * What a shard's log keeps for durable consumers: for each the state of its lanes, and the events that are dead for it.
 * A log of its own stores this in the transaction of the shard's batch. The shard's thread alone calls it.
 */
export interface ShardConsumers {
  /**
   * True if the state is stored in the transaction of the batch's events: all of both, or nothing. Otherwise it follows
   * the events.
   */
  readonly isAtomic: boolean;

  /** The endpoints that may hold leases, by their names, where those of other nodes may; absent where they are this node's. */
  readonly holders?: LeaseHolders;

  /**
   * All lanes that are stored, in no order. Called once, before the first batch.
   * @throws BusError `STORE_CORRUPT` naming the consumer and the lane of a damaged state, or where states are missing;
   * the log itself goes on
   */
  load(): StoredLane[];

  /**
   * Stores the state of a lane with the open batch; opens a batch if there is none. `open` is copied. Like `append`, it
   * does not throw where the store fails: `commit` does.
   */
  put(lane: StoredLane): void;

  /**
   * Removes a consumer with the open batch: its lanes at once, its dead events in steps. True if more of them are left:
   * it is called again, in a later batch.
   */
  remove(consumer: string): boolean;

  /** Removes the lanes from this one on with the open batch. */
  removeLanes(consumer: string, from: number): void;

  /** Adds an event that died for a consumer, or one that died again, with the open batch. It keeps the event's record. */
  putDead(event: StoredDeadEvent): void;
  /** With the open batch; does nothing where there is no such event. */
  changeDead(consumer: string, sequence: number, state: DeadState): void;
  /** With the open batch; does nothing where there is no such event. */
  removeDead(consumer: string, sequence: number): void;

  /**
   * Dead events of a consumer behind a sequence, in order: at most `limit`, and fewer where their records are large.
   * @throws BusError `STORE_CORRUPT` naming the event whose row is damaged; the log itself goes on
   */
  dead(consumer: string, after: number, limit: number): StoredDeadEvent[];
  /**
   * One dead event; undefined: it is not dead for the consumer.
   * @throws BusError `STORE_CORRUPT` if its own row is damaged or missing
   */
  deadAt(consumer: string, sequence: number): StoredDeadEvent | undefined;
  /** The state of one dead event; undefined: it is not dead for the consumer. It costs no read. */
  deadState(consumer: string, sequence: number): DeadState | undefined;
  /** The events of a consumer that are open again. */
  redriven(consumer: string): number[];
  /** How many events are dead for a consumer, those not counted that were redriven. */
  deadCount(consumer: string): number;
  /** How many letters are due. */
  lettersDueCount(consumer: string): number;
  /**
   * The oldest dead events whose letter is due, as `dead` limits them: of all consumers, or those that are wanted.
   * With `onDamage` a row that is damaged or missing is passed over; each fault is told once until the log is opened again.
   * @throws as `dead`, without `onDamage`
   */
  lettersDue(
    limit: number,
    isWanted?: (consumer: string, sequence: number) => boolean,
    onDamage?: (error: BusError) => void,
  ): StoredDeadEvent[];
  /** Dead events that were forgotten since the log was opened, the oldest first, because there were too many. */
  readonly deadForgotten: number;
}

/** A consumer has a lane for each of its priorities, and one for the rest. */
export interface StoredLane {
  /** The consumer's id, which no other consumer ever has. */
  readonly consumer: string;
  readonly lane: number;
  /** Grows with each seek. */
  readonly round: number;
  /** Every event up to this sequence is done or does not match, but for those in `open`. */
  readonly position: number;
  /** The number that the consumer's next lease gets. */
  readonly leaseNext: number;
  readonly acked: number;
  readonly redelivered: number;
  /** Events that were pruned before they were done. */
  readonly lost: number;
  /** Recorded time, ms since 1970; times in `open` count from it. */
  readonly at: number;
  /** The events before the position that are neither done nor dead; the store does not look into it. */
  readonly open: Uint8Array;
}

export interface StoredDeadEvent {
  /** The consumer's id. */
  readonly consumer: string;
  readonly sequence: number;
  /** Recorded time, ms since 1970. */
  readonly diedAt: number;
  readonly attempts: number;
  /** How often the event has died: more than once only if it was redriven. */
  readonly times: number;
  readonly state: DeadState;
  /** A word for what ended it; the store does not look into it. */
  readonly cause: string;
  /** The reason that its member gave, or an empty text. */
  readonly reason: string;
  /** The event's record. A log with `pruning` adds it when it removes the event. */
  readonly record?: Uint8Array | undefined;
}

export type DeadState =
  | typeof LETTER_DUE
  | typeof LETTER_SENT
  | typeof REDRIVEN
  | typeof NO_LETTER_WANTED;

export const LETTER_DUE = 0;
export const LETTER_SENT = 1;
/** The event is open again for the consumer. */
export const REDRIVEN = 2;
export const NO_LETTER_WANTED = 3;

/** Endpoints with members, which are stored with the open batch. */
export interface LeaseHolders {
  readonly all: ReadonlySet<string>;
  add(endpoint: string): void;
  remove(endpoint: string): void;
}
