import { BusError } from '../../../protocol/errors.js';
import {
  CONSUMER_BACKLOG_BYTES_MAX,
  CONSUMER_RECORD_BYTES_MAX,
} from '../../../protocol/limits/consumers.js';
import { EventRecordView } from '../../../record/event-record.js';
import type { ShardConsumers, StoredDeadEvent } from '../../../store/consumer-states.js';
import type { ShardLog } from '../../../store/shard-log.js';
import type { PublishBatch } from '../../publish-batch.js';
import type { FoundEvent } from './found-event.js';
import { RecordCache } from './record-cache.js';

interface DeadEvents extends Pick<ShardConsumers, 'deadState'> {
  deadAt(consumer: string, sequence: number): Pick<StoredDeadEvent, 'record'> | undefined;
}

/**
 * Finds records of events: in the batch while the shard has one, among those that were read ahead, in the log, or in the
 * row of a dead event, which keeps what the log does not have any more.
 */
export class EventFinder {
  readonly #log: Pick<ShardLog, 'read'>;
  readonly #store: DeadEvents;
  readonly #onDamage: (error: BusError) => void;
  readonly #view = new EventRecordView();
  /** Of events that were read ahead, or that wait for a token. */
  readonly #cache = new RecordCache(CONSUMER_RECORD_BYTES_MAX);
  #batch: PublishBatch | undefined;
  #first = 0;
  /** The batch's place of each event that it appends, from the first sequence on. */
  readonly #places: number[] = [];

  constructor(log: Pick<ShardLog, 'read'>, store: DeadEvents, onDamage: (error: BusError) => void) {
    this.#log = log;
    this.#store = store;
    this.#onDamage = onDamage;
  }

  /** Looks into the batch too, before it is committed; its first event will get the sequence `first`. */
  begin(batch: PublishBatch, first: number): void {
    this.#batch = batch;
    this.#first = first;
    this.#places.length = 0;
    for (let i = 0; i < batch.length; i++) if (batch.sequences[i]! > 0) this.#places.push(i);
  }

  /** The batch is released, or refused. */
  end(): void {
    this.#batch = undefined;
  }

  /** Keeps a copy of a record that is likely to be wanted soon. */
  keep(sequence: number, bytes: Buffer, offset: number, length: number): void {
    this.#cache.add(sequence, bytes, offset, length);
  }

  /** The same for one that is wanted later; false if that would take the room of others. */
  keepIfRoom(sequence: number, bytes: Buffer, offset: number, length: number): boolean {
    if (!this.#cache.hasRoom(length, CONSUMER_BACKLOG_BYTES_MAX)) return false;
    this.#cache.add(sequence, bytes, offset, length);
    return true;
  }

  /** A record that was kept was used, or is wanted no more. */
  used(sequence: number): void {
    this.#cache.used(sequence);
  }

  /** A record that is at hand, so that it costs no read. */
  kept(sequence: number): FoundEvent | undefined {
    return this.#cache.find(sequence);
  }

  /** The log has lost events. */
  forget(): void {
    this.#cache.clear();
  }

  /** An event of a consumer; undefined if it is lost. */
  find(sequence: number, consumer: string): FoundEvent | undefined {
    const place = sequence < this.#first ? undefined : this.#places[sequence - this.#first];
    if (this.#batch === undefined || place === undefined) {
      const cached = this.#cache.find(sequence);
      return cached ?? this.#read(sequence) ?? this.#kept(sequence, consumer);
    }
    const { bytes, offset, length } = this.#view.wrap(
      this.#batch.bytes[place]!,
      this.#batch.offsets[place]!,
    );
    return { bytes, offset, length };
  }

  #read(sequence: number): FoundEvent | undefined {
    return this.#sound(() => {
      let found: FoundEvent | undefined;
      this.#log.read({ after: sequence - 1, until: sequence, limit: 1 }, (record) => {
        found = record;
        return false;
      });
      return found;
    });
  }

  #kept(sequence: number, consumer: string): FoundEvent | undefined {
    if (this.#store.deadState(consumer, sequence) === undefined) return undefined;
    return this.#sound(() => {
      const record = this.#store.deadAt(consumer, sequence)?.record;
      if (record === undefined) return undefined;
      const { buffer, byteOffset, length } = record;
      return { bytes: Buffer.from(buffer, byteOffset, length), offset: 0, length };
    });
  }

  #sound(read: () => FoundEvent | undefined): FoundEvent | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      this.#onDamage(error);
      return undefined;
    }
  }
}
