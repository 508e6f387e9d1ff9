import type {
  ConsumerBlocked,
  ConsumerDefinition,
  DeadCause,
  DeadEvent,
  FailureCause,
  OpenState,
} from '../protocol/consumers.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';

/** What the main thread, endpoints and a shard tell each other of durable consumers, in calls and reports. */

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
  /** The position is that of a cursor: events that are gone behind it were to come, and make a gap. */
  readonly isFromCursor?: true;
  /**
   * Its place in the memory in which the shards agree (`ShardThreadData.gates`), below `CONSUMERS_MAX`. Main gives it
   * anew in each process, and to another consumer only when every shard has answered that this one is gone.
   */
  readonly gate: number;
}

/** A durable consumer, as the main thread tells endpoints of it. */
export interface ListedConsumer extends Omit<ConsumerEntry, 'position' | 'isFromCursor' | 'gate'> {
  /** ms since 1970. */
  readonly createdAt: number;
  /** Since when it is paused, and who paused it, where that is known. */
  readonly pausedAt?: number;
  readonly pausedBy?: string;
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
  /**
   * The caller was permitted this where there is such a consumer, or null: none. Anything else is refused with
   * `CONFLICT`. Absent: whatever there is.
   */
  readonly onlyOver?: Pick<ListedConsumer, 'id' | 'definition'> | null;
}

export interface AlterConsumerRequest extends OnlyAs {
  /** The consumer's id. */
  readonly id: string;
  readonly change: ConsumerChange;
  /** The principal of a gateway's client that asked for it. */
  readonly by?: string;
}

export type ConsumerChange =
  | { readonly kind: 'pause' | 'resume' | 'delete' }
  | { readonly kind: 'seek'; readonly from: SubscribeFrom };

/** A member comes to a consumer, or comes again to the next thread of the shard, or with another concurrency. */
export interface ConsumerJoinRequest {
  /** The endpoint's own number, from 1 on. */
  readonly member: number;
  /** The consumer's id. */
  readonly consumer: string;
  readonly concurrency: number;
  readonly isDetached: boolean;
  /** When it joined first, ms since 1970. */
  readonly since: number;
  /** For lists of members. */
  readonly name?: string;
  readonly principal?: string;
  readonly connection?: string;
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

/** Names a consumer by its id. */
export interface OfConsumer {
  readonly consumer: string;
}

/** Names consumers by their ids. */
export interface OfConsumers {
  readonly consumers: readonly string[];
}

/** Why the consumer does not go on in the shard that says so. */
export type ShardBlocked = Omit<ConsumerBlocked, 'shard'>;

/** A consumer in one shard. */
export interface ConsumerShardState {
  /** Of the lane that has come least far. Everything up to here is done, dead or none of its events, but for open ones. */
  readonly position: number;
  /** The last sequence before the first open event. */
  readonly floor: number;
  readonly head: number;
  readonly open: number;
  /** Nothing is open, and all lanes have come equally far. */
  readonly isLevel: boolean;
  readonly held: number;
  readonly ready: number;
  readonly leased: number;
  readonly waiting: number;
  /** Without the redriven ones. */
  readonly dead: number;
  readonly lettersDue: number;
  readonly lost: number;
  readonly expired: number;
  readonly redelivered: number;
  readonly acked: number;
  readonly oldestAgeMs: number | null;
  readonly blocked: ShardBlocked | null;
  readonly members: readonly ShardMember[];
}

/** A member as one shard knows it. */
export interface ShardMember {
  readonly member: number;
  readonly endpoint: string;
  /** How many events of this shard are leased to it. */
  readonly inFlight: number;
  readonly concurrency: number;
  readonly isDetached: boolean;
  readonly since: number;
  readonly name?: string;
  readonly principal?: string;
  readonly connection?: string;
}

/** Asks for a page of a consumer's events behind a sequence. */
export interface ConsumerPageRequest extends OfConsumer {
  readonly after: number;
  readonly limit: number;
}

/** The list goes on behind `next`; null: this was the last page. */
export interface OpenEntriesPage {
  readonly events: readonly OpenEntry[];
  readonly next: number | null;
}

export interface OpenEntry {
  readonly sequence: number;
  readonly state: OpenState;
  readonly attempts: number;
  readonly losses: number;
  readonly key?: string;
  /** The name of the member that it is leased to, if that has one. */
  readonly member?: string;
  /** Until the lease runs out or the wait ends. */
  readonly untilInMs?: number;
  /** Absent where its record is lost. */
  readonly id?: string;
  readonly topic?: string;
  readonly failure?: {
    readonly cause: FailureCause;
    readonly reason: string;
    readonly agoMs: number;
  };
}

/** The list goes on behind `next`; null: this was the last page. */
export interface HeldKeyEntriesPage {
  readonly events: readonly HeldKeyEntry[];
  readonly next: number | null;
}

export interface HeldKeyEntry {
  readonly key: string;
  readonly waiting: number;
  readonly first: OpenEntry;
}

/** A page may be empty and not the last. */
export interface DeadEntriesPage {
  readonly events: readonly DeadEntry[];
  readonly next: number | null;
}

/** A dead event. Its id and topic are empty texts where its record is lost. */
export interface DeadEntry {
  readonly id: string;
  readonly sequence: number;
  readonly topic: string;
  /** ms since 1970. */
  readonly diedAt: number;
  readonly attempts: number;
  readonly cause: DeadCause;
  readonly reason: string;
  readonly letter: DeadEvent['letter'];
}

/** Finds dead events by their ids, in one step of several: it goes on behind `after`. */
export interface ConsumerFindDeadRequest extends OfConsumer {
  readonly ids: readonly string[];
  readonly after: number;
}

export interface ConsumerFindDeadAnswer {
  readonly found: readonly DeadEntry[];
  readonly next: number | null;
}

/**
 * Opens dead events again: those of the sequences, or with null all behind `after`. One call looks at no more than
 * `limit` of them.
 */
/** A call that was permitted for a consumer of this definition: another one is refused with `CONFLICT`. Absent: any. */
export interface OnlyAs {
  readonly onlyAs?: ConsumerDefinition;
}

export interface ConsumerRedriveRequest extends ConsumerPageRequest, OnlyAs {
  readonly sequences: readonly number[] | null;
  /** Only says which. */
  readonly isDry: boolean;
}

/**
 * Which are open again, by a stored decision; null as `next`: there are no others. With sequences, it also names those
 * that had been redriven before and are still open, so that the answer to a repeated call is the same. Others are not
 * redriven while the shard reads the keys of open events again, or while too many redriven ones are open: `isBusy`.
 */
export interface ConsumerRedriveAnswer {
  readonly redriven: readonly DeadEntry[];
  readonly next: number | null;
  readonly isBusy: boolean;
}

/** Looks at no more than `limit` events behind `after` that a seek to behind `position` concerns. */
export interface ConsumerSeekPreviewRequest extends ConsumerPageRequest {
  readonly position: number;
}

export interface ConsumerSeekPreviewAnswer {
  /** Events that are done or dead and would be open, and events to be done that would not be handed out. */
  readonly again: number;
  readonly passed: number;
  /** The next `after`; null: all were looked at. */
  readonly next: number | null;
  /** How many sequences are behind `next`. */
  readonly unseen: number;
}

export interface ConsumerSkipRequest extends OfConsumer, OnlyAs {
  readonly sequence: number;
}

/** A dead event whose letter is not published yet. */
export interface DueLetter extends OfConsumer {
  readonly sequence: number;
  readonly attempts: number;
  /** How often the event has died. */
  readonly times: number;
  readonly cause: DeadCause;
  readonly reason: string;
  readonly diedAt: number;
  /** The event's record in base64, for `EventRecordView`; null where it is lost. */
  readonly record: string | null;
}

export interface TakeLetters {
  readonly limit: number;
  /** The ids of consumers whose letters are left out. */
  readonly except: readonly string[];
}

/** Of consumers by their ids; `times` as in `DueLetter`. */
export type SentLetter = readonly [consumer: string, sequence: number, times: number];

/** What became of letters that were due. */
export interface SentLetters {
  readonly sent: readonly SentLetter[];
  /** No letter is wanted, or it can never be published: the event stays dead without one. */
  readonly kept: readonly SentLetter[];
}

/**
 * What has become of a consumer in a shard since the last report. It is no list of everything: there are counts beside
 * what is left out.
 */
export interface ConsumerNews {
  /** The consumer's id. */
  readonly id: string;
  /** How many events have died, and the first `CONSUMER_NEWS_MAX` of them. */
  readonly deadCount: number;
  readonly dead: readonly DeadEntry[];
  /** Runs of events that were pruned before they were done, the first `CONSUMER_NEWS_MAX`. */
  readonly gaps: readonly (readonly [from: number, to: number])[];
  /** Present if it has changed; null: it goes on again. */
  readonly blocked?: ShardBlocked | null;
  /** Letters are due. */
  readonly lettersDue: boolean;
}
