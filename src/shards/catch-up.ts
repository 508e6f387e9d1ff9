/**
 * Feeds consumers that are not far behind from the log, a small page at a time, between the shard's batches. Because
 * the shard's loop does it, a consumer goes from the log over to what is live at an exact sequence.
 */
import { STATE_BEHIND, STATE_GAP } from '../link/link-records.js';
import { BusError } from '../protocol/errors.js';
import {
  CATCH_UP_BYTES_PER_STEP,
  CATCH_UP_EVENTS_PER_STEP,
  SHARD_CATCH_UP_EVENTS_MAX,
} from '../protocol/limits.js';
import { matchesPattern } from '../protocol/topic.js';
import { EventRecordView } from '../record/event-record.js';
import type { EventLog, StoredRecord } from '../store/event-log.js';
import { type Consumer, REPLAYING } from './consumer.js';
import type { LinkConsumer, Routes } from './routes.js';

export interface CatchUpStep {
  /** Events read from the log, matching or not. */
  readonly read: number;
  readonly sent: number;
}

export class CatchUp {
  readonly #log: EventLog;
  readonly #routes: Routes;
  readonly #view = new EventRecordView();
  readonly #one: Consumer[] = [];
  #consumer!: LinkConsumer;
  #sent = 0;
  /** For want of credit or of room. */
  #stopped = false;

  constructor(log: EventLog, routes: Routes) {
    this.#log = log;
    this.#routes = routes;
  }

  /** One page for one consumer; at `head` it goes live, and too far behind it the endpoint takes over. */
  step(consumer: LinkConsumer, head: number, limit: number): CatchUpStep {
    if (head - consumer.position > SHARD_CATCH_UP_EVENTS_MAX) {
      consumer.mode = REPLAYING;
      consumer.link.state(consumer.subscription, STATE_BEHIND, { position: consumer.position });
      return { read: 0, sent: 0 };
    }
    if (this.#log.prunedThrough > consumer.position) this.#tellGap(consumer);
    this.#consumer = consumer;
    this.#one[0] = consumer;
    this.#sent = 0;
    this.#stopped = false;
    const read = this.#read(consumer, head, limit);
    if (consumer.ended) return { read, sent: this.#sent };
    // Pruned sequences at the very end are passed over too.
    if (read === 0 && !this.#stopped) consumer.position = head;
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

  /** Events that the consumer wants may have gone while it was behind: it is told before what follows them. */
  #tellGap(consumer: LinkConsumer): void {
    const { prunedThrough } = this.#log;
    if (consumer.prunedTold >= prunedThrough) return;
    const from = Math.max(consumer.position, consumer.prunedTold) + 1;
    consumer.prunedTold = prunedThrough;
    const to = this.#prunedFor(consumer);
    if (to < from) return;
    consumer.link.state(consumer.subscription, STATE_GAP, { from, to, reason: 'pruned' });
  }

  #prunedFor(consumer: LinkConsumer): number {
    const { topics: patterns } = consumer.filter;
    let through = 0;
    for (const topic of this.#log.topics()) {
      if (topic.prunedThrough <= through) continue;
      if (patterns.some((pattern) => matchesPattern(pattern, topic.name))) {
        through = topic.prunedThrough;
      }
    }
    return through;
  }

  readonly #visit = (record: StoredRecord): boolean => {
    const consumer = this.#consumer;
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
