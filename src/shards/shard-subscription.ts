/**
 * A subscription as one shard sees it. It queues matching events that could not be sent yet; its overflow policy
 * decides what happens when the queue is full. Only the shard's loop touches this.
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
import { STATE_DROPPED, STATE_ENDED, STATE_LAGGING, STATE_LIVE } from '../link/link-records.js';
import type { SubscribeRequest, SubscribingClient } from '../link/subscription-calls.js';
import { compilePredicate, type EventPredicate, type ParsedFilter } from '../protocol/filter.js';
import { SUBSCRIBER_BUFFER_BYTES_MAX } from '../protocol/limits/shards.js';
import type { PatternTrie } from './matching/pattern-trie.js';
import { ConflatedQueue, type QueuedEvent } from './queued-events.js';

export const LIVE = 0;
export const QUEUED = 1;
export const CATCHING_UP = 2;
export const REPLAYING = 3;
export const MODE_NAMES = ['live', 'queued', 'catching-up', 'replaying'] as const;

/** The part of a link that its subscriptions use. */
export interface SubscriptionLink {
  state(subscription: number, state: number, body: object): void;
  /** The subscription has dropped events, to be reported with `notifyDropped` once the link has room. */
  noteDropped(subscription: ShardSubscription): void;
}

/** State of a scan of the log's topics for those that the subscription wants and that were pruned. */
export interface GapScan {
  readonly patterns: PatternTrie<true>;
  /** The end of the hole that the subscription has come upon. */
  readonly until: number;
  /** How many events the log had pruned when the scan began. */
  readonly prunedEvents: number;
  /** The number of the last topic looked at. */
  topic: number;
  /** The last sequence pruned from a topic that the subscription wants, as far as the scan has come. */
  through: number;
}

export class ShardSubscription<L extends SubscriptionLink = SubscriptionLink> {
  readonly number: number;
  readonly name: string | undefined;
  /** ms since 1970. */
  readonly since: number;
  readonly client: SubscribingClient | undefined;
  readonly overflow: string;
  readonly maxBuffer: number;
  filter: ParsedFilter;
  /** Undefined if the filter depends on the topic alone. */
  predicate: EventPredicate | undefined;
  mode = LIVE;
  ended = false;
  /** All matching events up to this sequence were sent. Kept up to date in CATCHING_UP and REPLAYING only. */
  position = 0;
  /** The endpoint knows of all gaps up to this sequence. */
  gapsNotified = 0;
  /** How many events the log had pruned when this subscription last checked; -1 forces a gap scan. */
  prunedSeen = -1;
  /** Set while a scan finds out whether a hole in history held events that the subscription wants. */
  gapScan: GapScan | undefined;
  /**
   * While it catches up: since when its oldest event waits, ms since 1970; `undefined` before the first page from the
   * log.
   */
  behindSince: number | undefined;
  /** How often it was live and had no credit, or its link no room. */
  slow = 0;
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
    this.since = request.since;
    this.client = request.client;
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

  /**
   * Since when the oldest event waits that was not sent, ms since 1970; 0: none waits; `undefined`: not known, above all
   * where the endpoint reads history.
   */
  get waitingSince(): number | undefined {
    if (this.mode === LIVE) return 0;
    if (this.mode === QUEUED) return this.peek()?.queuedAt ?? 0;
    return this.mode === CATCHING_UP ? this.behindSince : undefined;
  }

  /** How many events a `block` subscription can queue before it holds up publishers; infinite for other policies. */
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

  /** Queues an event that cannot be sent now; `before` is the last sequence that was dealt with before it. */
  enqueue(event: QueuedEvent, before: number): void {
    if (this.mode === LIVE) {
      this.slow++;
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

  /** The filter was changed: takes out of the queue what the new one does not want. Such events are not dropped ones. */
  retain(isWanted: (event: QueuedEvent) => boolean): void {
    for (let left = this.#queue.length; left > 0; left--) {
      const event = this.#queue.peek()!;
      this.shift();
      if (!isWanted(event)) continue;
      this.#queue.push(event);
      this.#queueBytes += event.record.length;
    }
  }

  /** Everything up to `position` was sent; live events follow. */
  goLive(position: number): void {
    this.mode = LIVE;
    this.link.state(this.number, STATE_LIVE, { position });
  }

  /** Drops the queue and goes on from the log, after `position`. Queued ephemeral events count as dropped. */
  fallBehind(position: number): void {
    this.behindSince = this.#firstPersisted()?.queuedAt;
    let ephemeral = 0;
    for (const event of this.#queue) if (event.sequence === 0) ephemeral++;
    this.#clear();
    this.mode = CATCHING_UP;
    this.position = position;
    this.#countDropped(ephemeral);
  }

  /**
   * The store removed events after `position` before they were delivered: goes on from the log, where gaps are found.
   */
  meetHole(position: number): void {
    if (this.mode === LIVE) this.link.state(this.number, STATE_LAGGING, { position });
    else if (this.mode !== QUEUED) return;
    const first = this.#firstPersisted();
    this.fallBehind(first === undefined ? position : first.sequence - 1);
  }

  end(code: string, message: string, position: number): void {
    this.ended = true;
    this.#clear();
    this.link.state(this.number, STATE_ENDED, { code, message, position });
  }

  /** Counts an ephemeral event as dropped: the subscription is fed from the log, which holds none. */
  missEphemeral(): void {
    this.#countDropped(1);
  }

  /** Reports all new drops to the endpoint in one message; returns their number. */
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

  /** Applies the overflow policy to a full queue; false if the event is not to be queued. */
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
        const first = this.#firstPersisted()?.sequence ?? event.sequence;
        if (first !== 0) {
          this.fallBehind(first - 1);
          if (event.sequence === 0) this.#countDropped(1);
          return false;
        }
        break;
      }
    }
    // Reached by drop-oldest, by conflate, and by catch-up if no queued event is in the log.
    this.shift();
    this.#countDropped(1);
    return true;
  }

  #firstPersisted(): QueuedEvent | undefined {
    for (const event of this.#queue) if (event.sequence !== 0) return event;
    return undefined;
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
