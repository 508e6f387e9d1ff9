import type { DeadCause } from '../protocol/consumers.js';
import type { Failure } from './failures.js';

/** The shapes at the edges of the machine. Types and constants only. */

/** The part of a consumer's definition that the machine goes by. */
export interface MachineDefinition {
  /** Whether the order has keys. Then there is one lane. */
  readonly hasKeys: boolean;
  /** 1, or one more than the patterns of `priority`. */
  readonly lanes: number;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly backoffMs: readonly number[];
  readonly maxAhead: number;
}

/** A lane as it was stored, for a machine that goes on with it. */
export interface RestoredLane {
  readonly position: number;
  /** Of the consumer; the largest of its lanes counts. */
  readonly leaseNext: number;
  readonly acked: number;
  readonly redelivered: number;
  readonly lost: number;
  /** How long ago it was stored, by the recorded times, ms. */
  readonly ageMs: number;
  /** As `ConsumerMachine.store` returned it; empty: nothing is open. */
  readonly open: Uint8Array;
}

/**
 * What came before the machine: the process opened the bus, or the shard's thread died within the process, so that
 * endpoints still hold leases.
 */
export type Before = 'opened' | 'replaced';

/**
 * How a member ended. `left`: its handlers have ended, and it has handed back what they had not begun. `died`: what it
 * had begun may have been its end.
 */
export type MemberEnd = 'left' | 'died';

/** A lease that a member has in hand; `deadline` is in monotonic ms. */
export type HeldLease = readonly [sequence: number, lease: number, deadline: number];

export type SettlementKind = 'ack' | 'nak' | 'hand-back' | 'term' | 'working';

/** `lost`: the lease that a settlement names is not the present one of an open event. */
export type Verdict = 'done' | 'lost';

/**
 * `gone`: the log does not have the event any more. `unmatched`: a changed filter does not match it. `later`: enough was
 * examined for this turn; nothing further is leased in it. `taken`: another shard has a member out with its key; it is
 * examined again soon. `expired`: its time is over.
 */
export type Examined = 'there' | 'gone' | 'unmatched' | 'later' | 'taken' | 'expired';

export type Redriven = 'redriven' | 'open' | 'full' | 'unread';

/** An open event, for lists of them. */
export interface OpenSlot {
  readonly sequence: number;
  readonly state: 'ready' | 'held' | 'leased' | 'waiting';
  readonly attempts: number;
  readonly losses: number;
  readonly key: string | undefined;
  readonly member: number | undefined;
  readonly lease: number;
  readonly isBegun: boolean;
  /** Monotonic ms; 0: nothing is due. */
  readonly due: number;
  /** Why its last attempt failed, as far as this thread knows. */
  readonly failure: Failure | undefined;
}

/** A key of which events wait. */
export interface HeldKeySlot {
  readonly key: string;
  /** How many events wait: those behind the first, and the first too if another shard has a member out with the key. */
  readonly waiting: number;
  /** The event that stands first. */
  readonly first: OpenSlot;
}

/** The machine's counts of open events. */
export interface MachineCounts {
  readonly open: number;
  /** Not read again yet since the machine began. */
  readonly listed: number;
  readonly held: number;
  readonly ready: number;
  readonly leased: number;
  readonly waiting: number;
}

/** What the machine asks and says while it decides. It must not be called back from here. */
export interface Decisions {
  /** Whether an event can be leased; asked once for each lease, before it is given. */
  examine(lane: number, sequence: number, key: string | undefined): Examined;
  /** A lease that was restored has this key. */
  keyKept(key: string): void;
  /** A lease of an event with this key has ended. */
  keyFreed(key: string): void;
  /** The event is dead from the commit of this turn on. */
  dead(lane: number, sequence: number, attempts: number, cause: DeadCause, reason: string): void;
  /** The event's time was over before it was done. */
  expired(lane: number, sequence: number): void;
  /** The log has lost the event before it was done. */
  gone(lane: number, sequence: number): void;
}

/**
 * What the machine tells after the commit of what it decided. Each returns false where there is no room; it is told
 * again then. It must not be called back from here.
 */
export interface Tellings {
  /** `deadline` is in monotonic ms. */
  leased(
    member: number,
    sequence: number,
    lease: number,
    attempt: number,
    deadline: number,
    isAlone: boolean,
  ): boolean;
  /** A lease that was told has ended without a settlement. */
  lost(member: number, sequence: number, lease: number): boolean;
  /** The shard has events for the member and no token of it; or it has none any more. On the edge only. */
  supply(member: number, isReady: boolean): boolean;
}
