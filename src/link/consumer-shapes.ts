import type { SubscribeFrom } from '../protocol/bus-api.js';
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

/** A durable consumer, as the main thread tells endpoints of it. */
export interface ListedConsumer extends Omit<ConsumerEntry, 'position'> {
  /** ms since 1970. */
  readonly createdAt: number;
}

/** Opens the consumer of this name, or makes it. */
export interface OpenConsumerRequest {
  readonly name: string;
  /** Checked by the endpoint. */
  readonly definition: ConsumerDefinition;
  /** Counts only if the consumer is made. */
  readonly from: SubscribeFrom;
  /** A consumer with another definition gets this one. */
  readonly isUpdate: boolean;
}

export interface AlterConsumerRequest {
  /** The consumer's id. */
  readonly id: string;
  readonly change: ConsumerChange;
}

export type ConsumerChange =
  | { readonly kind: 'pause' | 'resume' | 'delete' }
  | { readonly kind: 'seek'; readonly from: SubscribeFrom };

/** A member comes to a consumer, or comes again to the next thread of the shard. */
export interface ConsumerJoinRequest {
  readonly member: number;
  /** The consumer's id. */
  readonly consumer: string;
  readonly concurrency: number;
  readonly isDetached: boolean;
  /** For lists of members. */
  readonly name?: string;
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
