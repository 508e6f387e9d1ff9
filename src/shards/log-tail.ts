/**
 * Delivers the events of a shared log that are not delivered yet: the shard's own and those that other nodes appended,
 * in the log's one order. Only the shard's loop touches this.
 */
import { COMMIT_BATCH_BYTES, COMMIT_BATCH_EVENTS } from '../protocol/limits/shards.js';
import { EventRecordView } from '../record/event-record.js';
import { NameCache, recordNames } from '../record/name-cache.js';
import { NOT_AT_HAND, type ShardLog } from '../store/shard-log.js';
import type { StoredRecord } from '../store/stored-record.js';
import type { Delivery } from './delivery.js';

export class LogTail {
  /** Deliveries made by the last `deliver`. */
  sent = 0;
  readonly #log: ShardLog;
  readonly #delivery: Delivery;
  /** Called when the store has removed the next events, with the last sequence delivered. */
  readonly #onHole: (delivered: number) => void;
  readonly #view = new EventRecordView();
  readonly #names = new NameCache(recordNames);
  #delivered = 0;
  /** The log is fetching the next events. */
  #waits = false;

  constructor(log: ShardLog, delivery: Delivery, onHole: (delivered: number) => void) {
    this.#log = log;
    this.#delivery = delivery;
    this.#onHole = onHole;
  }

  hasWork(delivered: number): boolean {
    return !this.#waits && delivered < this.#log.head;
  }

  /** The log may now have the events at hand that it was asked for. */
  fetched(): void {
    this.#waits = false;
  }

  /** Delivers one page; returns the sequence up to which everything is delivered now. */
  deliver(delivered: number): number {
    this.sent = 0;
    const { head } = this.#log;
    this.#delivered = delivered;
    const request = {
      after: delivered,
      until: head,
      limit: COMMIT_BATCH_EVENTS,
      limitBytes: COMMIT_BATCH_BYTES,
    };
    const read = this.#log.read(request, this.#visit);
    this.#waits = read === NOT_AT_HAND;
    if (read !== 0) return this.#delivered;
    // The events up to the head were pruned.
    this.#onHole(delivered);
    return head;
  }

  readonly #visit = (record: StoredRecord): undefined => {
    const { bytes, offset, sequence } = record;
    if (sequence > this.#delivered + 1) this.#onHole(this.#delivered);
    const { topic } = this.#names.of(bytes, offset);
    this.sent += this.#delivery.deliverNext(
      this.#view.wrap(bytes, offset),
      topic,
      sequence,
      this.#delivered,
    );
    this.#delivered = sequence;
  };
}
