/** What the reference keeps. */
import type { Failure } from '../../../src/consumers/failures.js';
import type { DeadCause } from '../../../src/protocol/consumers.js';

export interface RefEvent {
  readonly sequence: number;
  readonly lane: number;
  key: string | undefined;
  /** Its key is known. */
  isRead: boolean;
  isRedriven: boolean;
  attempts: number;
  losses: number;
  lostAt: number;
  /** When a wait ends; 0: it waits for nothing. */
  waitUntil: number;
  /** Until when it is set aside, because another shard has its key; 0: it is not. */
  asideUntil: number;
  lease: RefLease | undefined;
  /** Why its last attempt failed; it does not outlive a thread. */
  failure: Failure | undefined;
  /** As far as a thread knows: it does not outlive one, unless the event is leased. */
  wasLeased: boolean;
}

export interface RefLease {
  readonly number: number;
  member: number | undefined;
  readonly isDetached: boolean;
  readonly isAlone: boolean;
  isBegun: boolean;
  isTold: boolean;
  isClaimed: boolean;
  isGone: boolean;
  /** The open batch acknowledges it. */
  isEnding: boolean;
  deadline: number;
}

export interface RefMember {
  readonly id: number;
  readonly isDetached: boolean;
  concurrency: number;
  tokens: number;
}

export interface RefDead {
  readonly sequence: number;
  readonly attempts: number;
  readonly cause: DeadCause;
}

/** What a commit stores. */
export interface RefStored {
  readonly events: RefEvent[];
  readonly positions: number[];
  readonly leaseNext: number;
  readonly counts: RefCounts;
}

/** Since the consumer was made. */
export interface RefCounts {
  readonly acked: number;
  readonly redelivered: number;
  readonly lost: number;
}

/** Whether nothing has become of it since it was read. */
export function isAsRead({ attempts, losses, lease, waitUntil, ...event }: RefEvent): boolean {
  const isNew = attempts === 0 && losses === 0 && !event.isRedriven && !event.wasLeased;
  return isNew && lease === undefined && waitUntil === 0;
}

export function cloneEvents(events: readonly RefEvent[]): RefEvent[] {
  return events.map((event) => ({ ...event, lease: event.lease && { ...event.lease } }));
}
