/**
 * Feeds consumers that are not far behind from the log, a small page at a time, between the shard's batches. Because
 * the shard's loop does it, a consumer goes from the log over to what is live at an exact sequence.
 */
import { STATE_BEHIND, STATE_GAP } from '../link/link-records.js';
import { BusError } from '../protocol/errors.js';
import {
  CATCH_UP_BYTES_PER_STEP,
  CATCH_UP_EVENTS_PER_STEP,
  GAP_TOPICS_PER_STEP,
  SHARD_CATCH_UP_EVENTS_MAX,
} from '../protocol/limits.js';
import { hasWildcard } from '../protocol/topic.js';
import { EventRecordView } from '../record/event-record.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import type { StoredRecord } from '../store/stored-record.js';
import { type Consumer, type GapScan, REPLAYING } from './consumer.js';
import { PatternTrie } from './matching/pattern-trie.js';
import type { LinkConsumer, Routes } from './routes.js';

export interface CatchUpStep {
  /** Events read from the log, matching or not, or as much work; `NOT_AT_HAND`: the log has to fetch them. */
  readonly read: number;
  readonly sent: number;
}

export class CatchUp {
  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #view = new EventRecordView();
  readonly #one: Consumer[] = [];
  #consumer!: LinkConsumer;
  #sent = 0;
  /** For want of credit or of room, or before a hole. */
  #stopped = false;

  constructor(log: ShardLog, routes: Routes) {
    this.#log = log;
    this.#routes = routes;
  }

  /** One page for one consumer; at `head` it goes live, and too far behind it the endpoint takes over. */
  step(consumer: LinkConsumer, head: number, limit: number): CatchUpStep {
    if (head - consumer.position > SHARD_CATCH_UP_EVENTS_MAX) {
      consumer.mode = REPLAYING;
      consumer.gapScan = undefined;
      consumer.link.state(consumer.subscription, STATE_BEHIND, { position: consumer.position });
      return { read: 0, sent: 0 };
    }
    if (consumer.gapScan !== undefined) return this.#scan(consumer, consumer.gapScan);
    this.#consumer = consumer;
    this.#one[0] = consumer;
    this.#sent = 0;
    this.#stopped = false;
    const read = this.#read(consumer, head, limit);
    if (read === NOT_AT_HAND) return { read, sent: 0 };
    if (consumer.ended) return { read, sent: this.#sent };
    // Pruned sequences at the very end are passed over too.
    const isAtEnd = read === 0 && !this.#stopped && consumer.position < head;
    if (isAtEnd && this.#mayPass(consumer, head)) consumer.position = head;
    if (consumer.position >= head) consumer.goLive(head);
    return { read, sent: this.#sent };
  }

  /** A damaged row ends the consumer that comes upon it, and nobody else. */
  #read(consumer: LinkConsumer, head: number, limit: number): number {
    const request = {
      after: consumer.position,
      until: head,
      limit: Math.min(limit, CATCH_UP_EVENTS_PER_STEP),
      limitBytes: CATCH_UP_BYTES_PER_STEP,
    };
    try {
      return this.#log.read(request, this.#visit);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      consumer.end(error.code, error.message, consumer.position);
      return 0;
    }
  }

  /**
   * The consumer stands before a hole in history. Events that it wants may have been in it: if so it is told, before
   * what follows. While the scan goes on the consumer waits, and nobody else.
   */
  #scan(consumer: LinkConsumer, scan: GapScan): CatchUpStep {
    scan.topic = this.#log.scanTopics(scan.topic, GAP_TOPICS_PER_STEP, (topic) => {
      if (topic.prunedThrough <= scan.through) return;
      if (scan.patterns.match(topic.name).length > 0) scan.through = topic.prunedThrough;
    });
    if (scan.topic === 0) this.#endScan(consumer, scan);
    return { read: CATCH_UP_EVENTS_PER_STEP, sent: 0 };
  }

  #beginScan(consumer: LinkConsumer, until: number): void {
    const patterns = new PatternTrie<true>();
    for (const pattern of consumer.filter.topics) patterns.add(pattern, true);
    const { prunedEvents } = this.#log;
    consumer.gapScan = { patterns, until, prunedEvents, topic: 0, through: 0 };
  }

  #endScan(consumer: LinkConsumer, { until, through: known, prunedEvents }: GapScan): void {
    const through = Math.max(known, this.#forgottenThrough(consumer.filter.topics));
    const from = Math.max(consumer.position, consumer.gapsTold) + 1;
    consumer.gapScan = undefined;
    consumer.prunedSeen = prunedEvents;
    consumer.position = until;
    if (through < from) return;
    consumer.gapsTold = through;
    consumer.link.state(consumer.subscription, STATE_GAP, { from, to: through, reason: 'pruned' });
  }

  /** Up to where topics that the log no longer knows, and that the consumer may want, were pruned. */
  #forgottenThrough(patterns: readonly string[]): number {
    const { forgottenThrough } = this.#log;
    if (forgottenThrough === 0) return 0;
    const isKnown = (pattern: string): boolean =>
      !hasWildcard(pattern) && this.#log.hasTopic(pattern);
    return patterns.every(isKnown) ? 0 : forgottenThrough;
  }

  /** True if the consumer may pass over the hole that ends here: nothing went since it was last looked at. */
  #mayPass(consumer: LinkConsumer, until: number): boolean {
    if (consumer.prunedSeen === this.#log.prunedEvents) return true;
    this.#beginScan(consumer, until);
    return false;
  }

  readonly #visit = (record: StoredRecord): boolean => {
    const consumer = this.#consumer;
    if (record.sequence > consumer.position + 1 && !this.#mayPass(consumer, record.sequence - 1)) {
      this.#stopped = true;
      return false;
    }
    const { bytes, offset, length, sequence } = record;
    const view = this.#view.wrap(bytes, offset);
    const wanted =
      this.#routes.of(view.topic).consumers.has(consumer) &&
      (consumer.predicate === undefined || consumer.predicate(view));
    if (wanted) {
      this.#stopped =
        !consumer.hasCredit ||
        !consumer.link.sendEvent(sequence, bytes, offset, length, this.#one, 1);
      if (this.#stopped) return false;
      this.#sent++;
    }
    consumer.position = sequence;
    return true;
  };
}
