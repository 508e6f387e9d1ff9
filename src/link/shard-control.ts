/**
 * The memory that a shard shares with all threads: the word that it parks on, its state and its counters. Each word has
 * one writer, the shard's thread, except the parked word (wakers clear it) and MAIL, STATE, RESTARTS and GENERATION
 * (the main thread writes them). Counters outlive the shard's thread, so they go on after a restart, and so does what it
 * believes of the wall clock.
 *
 * ```
 *   0  i32 × 16   PARKED · MAIL · STATE · RESTARTS · GENERATION · TURNS · WAKES_BY_MESSAGE · 0 …
 *  64  f64 × 64   counters, in the order of ShardCounter, and from COMMIT_BUCKETS on commit times by bucket
 * 576  f64 × 8    clock, see shards/recording-clock.ts
 * ```
 */

import type { MessagePort } from 'node:worker_threads';
import type { Histogram } from '../protocol/bus-api.js';
import { wakeParked, wakeSurely } from '../ring/wait.js';
import { bucketOf, HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS } from './histogram.js';

export const PARKED = 0;
/**
 * Number of messages that the main thread has posted to the shard's port. The shard compares it with how many it has
 * read.
 */
export const MAIL = 1;
export const STATE = 2;
export const RESTARTS = 3;
export const GENERATION = 4;
/** Turns of the shard's loop; wraps. */
export const TURNS = 5;
/** 1 if the shard's thread lives on an event loop and is woken by a message on any of its ports. */
export const WAKES_BY_MESSAGE = 6;

const WORDS = 16;

export const STATE_NAMES = ['starting', 'running', 'restarting', 'failed', 'stopped'] as const;
export const STATE_STARTING = 0;
export const STATE_RUNNING = 1;
export const STATE_RESTARTING = 2;
export const STATE_FAILED = 3;
/**
 * The shard's thread has taken and acknowledged everything in its rings and has ended. Later publishes are not stored.
 */
export const STATE_STOPPED = 4;

export const ShardCounter = {
  head: 0,
  published: 1,
  ephemeral: 2,
  duplicates: 3,
  refused: 4,
  delivered: 5,
  dropped: 6,
  subscriptions: 7,
  lag: 8,
  commits: 9,
  commitMsTotal: 10,
  commitMsMax: 11,
  parkedMs: 12,
  startedAt: 13,
  publishRingFill: 14,
  deliveryRingFill: 15,
  walBytes: 16,
  dedupeWindowMs: 17,
  dedupeReachMs: 18,
  clockAheadMs: 19,
  unindexedEvents: 20,
  consumers: 21,
  consumersPending: 22,
  consumersInFlight: 23,
  consumersWaiting: 24,
  consumersDead: 25,
  scheduledWaiting: 26,
  /** 1 if the bus has an archive; the others are of its share for this shard, see `ArchiveWords`. */
  archives: 27,
  archiveThrough: 28,
  archiveSegments: 29,
  archiveBytes: 30,
  archiveEvents: 31,
  archiveFailingSince: 32,
  archiveWaitsSince: 33,
  /** Events up to this sequence may have left the log for the archive. */
  archiveLeftThrough: 34,
  payloadFiles: 35,
  payloadFileBytes: 36,
  /** Events removed because they had expired. */
  expired: 37,
} as const;

const COMMIT_BUCKETS = 38;
const COUNTERS = 64;
/** Room for what the clock of a shard keeps for its successor. */
export const CLOCK_WORDS = 32;
if (COMMIT_BUCKETS + HISTOGRAM_BUCKETS > COUNTERS) throw new Error('the counters overlap');

/** Wakes the shard if it is parked. Make the work visible first. `port` is one that the shard's thread listens to. */
export function wakeShard(words: Int32Array, port: MessagePort): void {
  if (!wakeParked(words, PARKED)) return;
  if (Atomics.load(words, WAKES_BY_MESSAGE) === 1) port.postMessage(null);
}

/**
 * Wakes a shard from the thread of another one, which has no port to it. One that is woken by messages is not woken; no
 * such shard has anything to be woken for by another one.
 */
export function wakeOtherShard(words: Int32Array): void {
  if (Atomics.load(words, WAKES_BY_MESSAGE) === 0) wakeParked(words, PARKED);
}

/** As `wakeOtherShard`, where a shard's thread has died, perhaps in the middle of that. */
export function wakeOtherShardSurely(words: Int32Array): void {
  if (Atomics.load(words, WAKES_BY_MESSAGE) === 0) wakeSurely(words, PARKED);
}

export class ShardControl {
  readonly words: Int32Array;
  readonly counters: Float64Array;
  /** What the shard's threads believe of the wall clock. */
  readonly clock: Float64Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, WORDS);
    this.counters = new Float64Array(buffer, WORDS * 4, COUNTERS);
    this.clock = new Float64Array(buffer, WORDS * 4 + COUNTERS * 8, CLOCK_WORDS);
  }

  static create(): ShardControl {
    return new ShardControl(new SharedArrayBuffer(WORDS * 4 + (COUNTERS + CLOCK_WORDS) * 8));
  }

  noteCommit(milliseconds: number): void {
    const { counters } = this;
    counters[ShardCounter.commits]! += 1;
    counters[ShardCounter.commitMsTotal]! += milliseconds;
    if (milliseconds > counters[ShardCounter.commitMsMax]!) {
      counters[ShardCounter.commitMsMax] = milliseconds;
    }
    counters[COMMIT_BUCKETS + bucketOf(milliseconds)]! += 1;
  }

  get commitTimes(): Histogram {
    const counts = [...this.counters.subarray(COMMIT_BUCKETS, COMMIT_BUCKETS + HISTOGRAM_BUCKETS)];
    return { bounds: HISTOGRAM_BOUNDS_MS, counts, sum: this.counters[ShardCounter.commitMsTotal]! };
  }

  get head(): number {
    return this.counters[ShardCounter.head]!;
  }

  /** A subscription before this sequence reads history itself, which goes on in the archive; 0 without an archive. */
  get archiveLeftThrough(): number {
    return this.counters[ShardCounter.archiveLeftThrough]!;
  }

  /** The shard's time by which events expire, ms since 1970; within a moment after a step of the clock, an older one. */
  get expiryNow(): number {
    return Date.now() + Math.min(0, this.counters[ShardCounter.clockAheadMs]!);
  }

  /** The head alone, as live memory, for a thread that gets nothing else of the shard. */
  get sharedHead(): Float64Array {
    return this.counters.subarray(ShardCounter.head, ShardCounter.head + 1);
  }

  get state(): (typeof STATE_NAMES)[number] {
    return STATE_NAMES[Atomics.load(this.words, STATE)]!;
  }
}
