/**
 * Feeds subscriptions that are not far behind from the log, a small page at a time, between the shard's batches.
 * Because the shard's loop does it, a subscription changes from the log to live events at an exact sequence.
 */
import { STATE_BEHIND, STATE_GAP } from '../link/link-records.js';
import { BusError } from '../protocol/errors.js';
import {
  CATCH_UP_BYTES_PER_STEP,
  CATCH_UP_EVENTS_PER_STEP,
  GAP_TOPICS_PER_STEP,
  SHARD_CATCH_UP_EVENTS_MAX,
} from '../protocol/limits/shards.js';
import { hasWildcard } from '../protocol/topic.js';
import { EventRecordView } from '../record/event-record.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import type { StoredRecord } from '../store/stored-record.js';
import { PatternTrie } from './matching/pattern-trie.js';
import type { LinkSubscription, Routes } from './routes.js';
import { type GapScan, REPLAYING, type ShardSubscription } from './shard-subscription.js';

export interface CatchUpStep {
  /**
   * Events read from the log, matching or not, or as many as cost the same; `NOT_AT_HAND`: the log has to fetch them.
   */
  readonly read: number;
  readonly sent: number;
}

export class CatchUp {
  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #leftThrough: () => number;
  readonly #now: () => number;
  readonly #view = new EventRecordView();
  readonly #one: ShardSubscription[] = [];
  #subscription!: LinkSubscription;
  #sent = 0;
  /** The page ended early: no credit, no room, or a hole in history comes next. */
  #stopped = false;

  /**
   * @param leftThrough up to where events may have left the log for an archive; 0 without one
   * @param now ms since 1970, for events that expire
   */
  constructor(
    log: ShardLog,
    routes: Routes,
    leftThrough: () => number = () => 0,
    now: () => number = Date.now,
  ) {
    this.#log = log;
    this.#routes = routes;
    this.#leftThrough = leftThrough;
    this.#now = now;
  }

  /**
   * Sends one page to one subscription. A subscription that reaches `head` goes live; one that is too far behind `head`,
   * or needs events that have left the log for the archive, is handed to its endpoint, which reads history itself.
   */
  step(subscription: LinkSubscription, head: number, limit: number): CatchUpStep {
    const { position } = subscription;
    if (head - position > SHARD_CATCH_UP_EVENTS_MAX || position < this.#leftThrough()) {
      subscription.mode = REPLAYING;
      subscription.gapScan = undefined;
      subscription.link.state(subscription.number, STATE_BEHIND, {
        position: subscription.position,
      });
      return { read: 0, sent: 0 };
    }
    if (subscription.gapScan !== undefined) return this.#scan(subscription, subscription.gapScan);
    this.#subscription = subscription;
    this.#one[0] = subscription;
    this.#sent = 0;
    this.#stopped = false;
    const read = this.#read(subscription, head, limit);
    if (read === NOT_AT_HAND) return { read, sent: 0 };
    if (subscription.ended) return { read, sent: this.#sent };
    // Events just before `head` may be pruned: no page shows them, so the subscription passes over them here.
    const isAtEnd = read === 0 && !this.#stopped && subscription.position < head;
    if (isAtEnd && this.#mayPass(subscription, head)) subscription.position = head;
    if (subscription.position >= head) subscription.goLive(head);
    return { read, sent: this.#sent };
  }

  /** A damaged row ends the subscription that reads it, and no other. */
  #read(subscription: LinkSubscription, head: number, limit: number): number {
    const request = {
      after: subscription.position,
      until: head,
      limit: Math.min(limit, CATCH_UP_EVENTS_PER_STEP),
      limitBytes: CATCH_UP_BYTES_PER_STEP,
    };
    try {
      return this.#log.read(request, this.#visit);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      subscription.end(error.code, error.message, subscription.position);
      return 0;
    }
  }

  /**
   * Takes one step of the scan that finds out whether the hole in history before the subscription held events that it
   * wants. If so, the subscription is notified of a gap before it gets the next event. Only this subscription waits.
   */
  #scan(subscription: LinkSubscription, scan: GapScan): CatchUpStep {
    scan.topic = this.#log.scanTopics(scan.topic, GAP_TOPICS_PER_STEP, (topic) => {
      if (topic.prunedThrough <= scan.through) return;
      if (scan.patterns.match(topic.name).length > 0) scan.through = topic.prunedThrough;
    });
    if (scan.topic === 0) this.#endScan(subscription, scan);
    return { read: CATCH_UP_EVENTS_PER_STEP, sent: 0 };
  }

  #beginScan(subscription: LinkSubscription, until: number): void {
    const patterns = new PatternTrie<true>();
    for (const pattern of subscription.filter.topics) patterns.add(pattern, true);
    const { prunedEvents } = this.#log;
    subscription.gapScan = { patterns, until, prunedEvents, topic: 0, through: 0 };
  }

  #endScan(subscription: LinkSubscription, { until, through: known, prunedEvents }: GapScan): void {
    const through = Math.max(known, this.#forgottenThrough(subscription.filter.topics));
    const from = Math.max(subscription.position, subscription.gapsNotified) + 1;
    subscription.gapScan = undefined;
    subscription.prunedSeen = prunedEvents;
    subscription.position = until;
    if (through < from) return;
    subscription.gapsNotified = through;
    subscription.link.state(subscription.number, STATE_GAP, {
      from,
      to: through,
      reason: 'pruned',
    });
  }

  /** The last sequence pruned from topics that the log has forgotten and that may match `patterns`; 0 if none. */
  #forgottenThrough(patterns: readonly string[]): number {
    const { forgottenThrough } = this.#log;
    if (forgottenThrough === 0) return 0;
    const isKnown = (pattern: string): boolean =>
      !hasWildcard(pattern) && this.#log.hasTopic(pattern);
    return patterns.every(isKnown) ? 0 : forgottenThrough;
  }

  /** True if nothing was pruned since the last scan, so that the hole up to `until` is known; else begins a scan. */
  #mayPass(subscription: LinkSubscription, until: number): boolean {
    if (subscription.prunedSeen === this.#log.prunedEvents) return true;
    this.#beginScan(subscription, until);
    return false;
  }

  readonly #visit = (record: StoredRecord): boolean => {
    const subscription = this.#subscription;
    if (
      record.sequence > subscription.position + 1 &&
      !this.#mayPass(subscription, record.sequence - 1)
    ) {
      this.#stopped = true;
      return false;
    }
    const { bytes, offset, length, sequence, recordedAt } = record;
    const view = this.#view.wrap(bytes, offset);
    const wanted =
      this.#routes.of(view.topic).subscriptions.has(subscription) &&
      (subscription.predicate === undefined || subscription.predicate(view)) &&
      !(view.hasExpiry && view.isExpired(this.#now()));
    if (wanted) {
      this.#stopped =
        !subscription.hasCredit ||
        !subscription.link.sendEvent(sequence, bytes, offset, length, this.#one, 1);
      if (this.#stopped) return false;
      this.#sent++;
    }
    subscription.position = sequence;
    subscription.behindSince = recordedAt;
    return true;
  };
}
