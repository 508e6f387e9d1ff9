import type { ConsumerDefinition } from '../protocol/consumers.js';

/** What the main thread and endpoints tell a shard of durable consumers, in calls. */

/** A durable consumer, as each shard knows it. */
export interface ConsumerEntry {
  /** Names it for ever: no other consumer has it after the end of this one. */
  readonly id: string;
  readonly name: string;
  readonly definition: ConsumerDefinition;
  readonly isPaused: boolean;
  /** Grows with each seek. */
  readonly round: number;
  /** Where the consumer begins in this shard in this round: behind that sequence. */
  readonly position: number;
}

/** A member comes to a consumer, or comes again to the next thread of the shard. */
export interface ConsumerJoinRequest {
  readonly member: number;
  /** The consumer's id. */
  readonly consumer: string;
  readonly concurrency: number;
  readonly isDetached: boolean;
  /** The leases of this shard that the member has in hand. */
  readonly leases: readonly HeldLease[];
}

export type HeldLease = readonly [sequence: number, lease: number, deadline: number];

export interface ConsumerJoinAnswer {
  /** The shard's head when it took the call. */
  readonly position: number;
  /** The numbers of the leases in hand that go on; the others are lost. */
  readonly kept: readonly number[];
}

/** `left`: its handlers have ended. `died`: what it had begun may have been its end. */
export interface ConsumerLeaveRequest {
  readonly member: number;
  readonly how: 'left' | 'died';
}
