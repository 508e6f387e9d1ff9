/**
 * A subscription as one shard sees it. It holds what was matched and could not be sent yet, and decides
 * by its overflow policy what happens when that grows too long. Touched by the shard's loop alone.
 *
 * ```
 *              no credit                queue over maxBuffer          too far behind
 *   LIVE ───────────────────► QUEUED ─────────────────────► CATCHING_UP ──────────► REPLAYING
 *    ▲                          │         (`catch-up`)          │  ▲                    │
 *    └──────────────────────────┴───────────────────────────────┘  └────── RESUME ──────┘
 *              queue empty                  position = head
 * ```
 *
 * In REPLAYING the endpoint reads history by itself, through the reader threads.
 */
import { Queue } from '../collections/queue.js';
import type { SubscribeRequest } from '../link/calls.js';
import { STATE_DROPPED, STATE_ENDED, STATE_LAGGING, STATE_LIVE } from '../link/link-records.js';
import { compilePredicate, type EventPredicate, type ParsedFilter } from '../protocol/filter.js';
import { SUBSCRIBER_BUFFER_BYTES_MAX } from '../protocol/limits.js';
import type { PatternTrie } from './matching/pattern-trie.js';

export const LIVE = 0;
export const QUEUED = 1;
export const CATCHING_UP = 2;
export const REPLAYING = 3;
export const MODE_NAMES = ['live', 'queued', 'catching-up', 'replaying'] as const;

/** An event that waits: a copy of its record, shared by all the queues that hold it. */
export interface QueuedEvent {
  readonly topic: string;
  /** 0 for an ephemeral event. */
  readonly sequence: number;
  readonly record: Buffer;
}

/** What a subscription needs of the link it is reached by. */
export interface SubscriptionLink {
  state(subscription: number, state: number, body: object): void;
  /** The subscription has drops to tell, once the link has room. */
  noteDropped(subscription: ShardSubscription): void;
}

/** Keeps only the newest event of each topic; the oldest entry is first. */
class ConflatedQueue {
  readonly #events = new Map<string, QueuedEvent>();

  get length(): number {
    return this.#events.size;
  }

  has(topic: string): boolean {
    return this.#events.has(topic);
  }

  /** Returns the event that this one replaces. */
  push(event: QueuedEvent): QueuedEvent | undefined {
    const replaced = this.#events.get(event.topic);
    if (replaced !== undefined) this.#events.delete(event.topic);
    this.#events.set(event.topic, event);
    return replaced;
  }

  peek(): QueuedEvent | undefined {
    return this.#events.values().next().value;
  }

  shift(): QueuedEvent | undefined {
    const first = this.peek();
    if (first !== undefined) this.#events.delete(first.topic);
    return first;
  }

  clear(): void {
    this.#events.clear();
  }

  [Symbol.iterator](): Iterator<QueuedEvent> {
    return this.#events.values();
  }
}

/** Looks through the topics for those that the subscription wants and that were pruned. */
export interface GapScan {
  readonly patterns: PatternTrie<true>;
  /** The end of the hole that the subscription has come upon. */
  readonly until: number;
  /** What the log had pruned when the scan began. */
  readonly prunedEvents: number;
  /** The number of the last topic looked at. */
  topic: number;
  /** The last sequence that was pruned of what the subscription wants. */
  through: number;
}

export class ShardSubscription<L extends SubscriptionLink = SubscriptionLink> {
  readonly number: number;
  readonly name: string | undefined;
  readonly overflow: string;
  readonly maxBuffer: number;
  filter: ParsedFilter;
  /** Undefined where the topic decides alone. */
  predicate: EventPredicate | undefined;
  mode = LIVE;
  ended = false;
  /** All that matched up to this sequence was sent. Kept up to date in CATCHING_UP and REPLAYING only. */
  position = 0;
  /** Gaps are told up to this sequence, or were asked not to be. */
  gapsNotified = 0;
  /** What the log had pruned, in events, when it was last looked at for this subscription. */
  prunedSeen = -1;
  /** Under way while it is found out what a hole in history means to the subscription. */
  gapScan: GapScan | undefined;
  dropped = 0;
  creditEvents: number;
  creditBytes: number;
  readonly #queue: Queue<QueuedEvent> | ConflatedQueue;
  #queueBytes = 0;
  #unreportedDrops = 0;

  constructor(
    readonly link: L,
    request: SubscribeRequest,
  ) {
    this.number = request.subscription;
    this.name = request.name;
    this.overflow = request.overflow;
    this.maxBuffer = request.maxBuffer;
    this.creditEvents = request.creditEvents;
    this.creditBytes = request.creditBytes;
    this.filter = request.filter;
    this.predicate = compilePredicate(request.filter);
    this.#queue = request.overflow === 'conflate' ? new ConflatedQueue() : new Queue<QueuedEvent>();
  }

  get hasCredit(): boolean {
    return this.creditEvents > 0 && this.creditBytes > 0;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Room before a `block` subscription must stop its publishers; others never do. */
  get room(): number {
    if (this.overflow !== 'block' || this.mode > QUEUED) return Number.POSITIVE_INFINITY;
    if (this.#queueBytes >= SUBSCRIBER_BUFFER_BYTES_MAX) return 0;
    return Math.max(0, this.maxBuffer - this.#queue.length);
  }

  spend(bytes: number): void {
    this.creditEvents--;
    this.creditBytes -= bytes;
  }

  peek(): QueuedEvent | undefined {
    return this.#queue.peek();
  }

  shift(): void {
    const event = this.#queue.shift();
    if (event !== undefined) this.#queueBytes -= event.record.length;
  }

  /** Takes an event that cannot be sent now; `before` is the last sequence that was dealt with before it. */
  enqueue(event: QueuedEvent, before: number): void {
    if (this.mode === LIVE) {
      this.mode = QUEUED;
      this.link.state(this.number, STATE_LAGGING, { position: before });
    }
    if (this.#isFullFor(event) && !this.#makeRoom(event, before)) return;
    const replaced = this.#queue.push(event);
    this.#queueBytes += event.record.length;
    if (replaced !== undefined) {
      this.#queueBytes -= replaced.record.length;
      this.#countDropped(1);
    }
  }

  /** Everything up to `position` was sent; what is live follows. */
  goLive(position: number): void {
    this.mode = LIVE;
    this.link.state(this.number, STATE_LIVE, { position });
  }

  /** Only its position is kept from here on; the log feeds it. */
  fallBehind(position: number): void {
    let ephemeral = 0;
    for (const event of this.#queue) if (event.sequence === 0) ephemeral++;
    this.#clear();
    this.mode = CATCHING_UP;
    this.position = position;
    this.#countDropped(ephemeral);
  }

  /** Events behind `position` are gone before they came to it: the log feeds it, and tells whether it misses any. */
  meetHole(position: number): void {
    if (this.mode === LIVE) this.link.state(this.number, STATE_LAGGING, { position });
    else if (this.mode !== QUEUED) return;
    const first = this.#firstPersisted();
    this.fallBehind(first === 0 ? position : first - 1);
  }

  end(code: string, message: string, position: number): void {
    this.ended = true;
    this.#clear();
    this.link.state(this.number, STATE_ENDED, { code, message, position });
  }

  /** An ephemeral event passed by while the subscription was fed from the log, where there are none. */
  missEphemeral(): void {
    this.#countDropped(1);
  }

  /** Tells the endpoint of drops, many in one message, and returns how many. */
  notifyDropped(): number {
    const count = this.#unreportedDrops;
    this.#unreportedDrops = 0;
    if (!this.ended) this.link.state(this.number, STATE_DROPPED, { count });
    return count;
  }

  #isFullFor(event: QueuedEvent): boolean {
    if (this.overflow === 'block') return false;
    const queue = this.#queue;
    if (queue instanceof ConflatedQueue && queue.has(event.topic)) return false;
    return queue.length >= this.maxBuffer || this.#queueBytes >= SUBSCRIBER_BUFFER_BYTES_MAX;
  }

  /** The overflow policy. False: the event is not to be queued. */
  #makeRoom(event: QueuedEvent, before: number): boolean {
    switch (this.overflow) {
      case 'drop-newest':
        this.#countDropped(1);
        return false;
      case 'disconnect':
        this.end(
          'SLOW_CONSUMER',
          `subscription ${this.name ?? this.number} fell ${this.#queue.length} events behind`,
          before,
        );
        return false;
      case 'catch-up': {
        const first = this.#firstPersisted() || event.sequence;
        if (first !== 0) {
          this.fallBehind(first - 1);
          if (event.sequence === 0) this.#countDropped(1);
          return false;
        }
        break;
      }
    }
    // drop-oldest; conflate over its bound; and catch-up where nothing queued is in the log.
    this.shift();
    this.#countDropped(1);
    return true;
  }

  #firstPersisted(): number {
    for (const event of this.#queue) if (event.sequence !== 0) return event.sequence;
    return 0;
  }

  #countDropped(count: number): void {
    if (count === 0) return;
    if (this.#unreportedDrops === 0) this.link.noteDropped(this);
    this.dropped += count;
    this.#unreportedDrops += count;
  }

  #clear(): void {
    this.#queue.clear();
    this.#queueBytes = 0;
  }
}
