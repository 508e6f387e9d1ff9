/**
 * Reads ahead from the log for consumers that are behind its head, between the shard's batches and within a budget.
 * Only the shard's loop touches this.
 */
import { BusError } from '../../protocol/errors.js';
import { CONSUMER_READ_EVENTS_PER_TURN } from '../../protocol/limits/consumers.js';
import { CATCH_UP_BYTES_PER_STEP } from '../../protocol/limits/shards.js';
import { EventRecordView } from '../../record/event-record.js';
import type { ShardLog } from '../../store/shard-log.js';
import type { DeskConsumer } from './desk-consumer.js';

/** The consumers whose patterns match a topic. */
export type ConsumersOf = (topic: string) => readonly DeskConsumer[];

export class LaneReader {
  readonly #log: ShardLog;
  readonly #consumersOf: ConsumersOf;
  readonly #onDamage: (error: BusError) => void;
  readonly #view = new EventRecordView();
  #first = 0;

  constructor(log: ShardLog, consumersOf: ConsumersOf, onDamage: (error: BusError) => void) {
    this.#log = log;
    this.#consumersOf = consumersOf;
    this.#onDamage = onDamage;
  }

  /** True if the consumer has events to read. */
  static isBehind(consumer: DeskConsumer, head: number): boolean {
    if (consumer.isStuck) return false;
    return consumer.nextUnread > 0 || (consumer.wantsMore && consumer.position < head);
  }

  /** Reads for those that are behind, each turn beginning with another one; true if it read anything. */
  step(consumers: readonly DeskConsumer[]): boolean {
    let budget = CONSUMER_READ_EVENTS_PER_TURN;
    const first = this.#first++;
    for (let i = 0; i < consumers.length && budget > 0; i++) {
      const consumer = consumers[(first + i) % consumers.length]!;
      if (!LaneReader.isBehind(consumer, this.#log.head)) continue;
      budget -= this.#orStop(consumer, () => this.#read(consumer, budget));
    }
    return budget < CONSUMER_READ_EVENTS_PER_TURN;
  }

  /** A damaged event stops the consumer that reads it, and nobody else. */
  #orStop(consumer: DeskConsumer, read: () => number): number {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      consumer.isStuck = true;
      this.#onDamage(error);
      return 1;
    }
  }

  #read(consumer: DeskConsumer, budget: number): number {
    let read = 0;
    for (let next = consumer.nextUnread; next > 0 && read < budget; next = consumer.nextUnread) {
      read++;
      if (this.#readOne(consumer, next) === 0) consumer.machine.pruned(next, next);
    }
    return read < budget ? read + this.#readAhead(consumer, budget - read) : read;
  }

  #readOne(consumer: DeskConsumer, sequence: number): number {
    return this.#log.read({ after: sequence - 1, until: sequence, limit: 1 }, (record) => {
      consumer.read(sequence, this.#view.wrap(record.bytes, record.offset));
      return false;
    });
  }

  #readAhead(consumer: DeskConsumer, limit: number): number {
    const { head } = this.#log;
    if (!consumer.wantsMore || consumer.position >= head) return 0;
    const request = { after: consumer.position, limit, limitBytes: CATCH_UP_BYTES_PER_STEP };
    let last = 0;
    const read = this.#log.read(request, ({ sequence, bytes, offset }) => {
      if (!consumer.wantsMore) return false;
      last = sequence;
      const view = this.#view.wrap(bytes, offset);
      const isOfTopic = this.#consumersOf(view.topic).includes(consumer);
      if (isOfTopic && consumer.matches(view)) consumer.read(sequence, view);
      return undefined;
    });
    // Events just before the head may have been pruned: no read shows them.
    consumer.passed(read === 0 ? head : last);
    return Math.max(1, read);
  }
}
