import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_HEADER_LENGTH,
  type EventRecordView,
} from '../../record/event-record.js';
import { NameCache, type RecordNames } from '../../record/name-cache.js';
import type { DedupeWindow } from './dedupe/dedupe-window.js';
import type { Database } from './driver/driver.js';
import { hashOfBytes } from './encoding/text-hash.js';
import { NO_VALUE, valueOfBytes, valueOfHash } from './fields/field-rows.js';
import type { IndexKeeper } from './index/index-keeper.js';
import type { TopicEntry } from './index/topic-entry.js';
import type { TopicTable } from './index/topic-table.js';
import { eventChecksum, eventSeed } from './rows/checksums.js';
import type { ExpiryTable } from './rows/expiry-table.js';
import { type NameReader, NameWriter } from './rows/names.js';
import { ROW_OVERHEAD_BYTES } from './rows/row-size.js';
import { RowWriter } from './rows/row-writer.js';
import {
  ROW_FLAG_ID_OF_SOURCE,
  ROW_FLAG_PAYLOAD_IN_FILE,
  ROW_FLAG_SUPPLIED_ID,
} from './tables/tables.js';

/** Names, and the ids by which rows refer to them. */
interface StoredNames extends RecordNames {
  readonly entry: TopicEntry;
  readonly typeId: number;
  readonly sourceId: number;
  /** For the index by field. */
  readonly typeValue: number;
  readonly sourceValue: number;
}

/** The structures of the log that learn of every event. */
export interface InsertedInto {
  readonly topics: TopicTable;
  readonly index: IndexKeeper;
  readonly dedupe: DedupeWindow;
  readonly expiries: ExpiryTable;
  /** Forgets the names that a rollback takes back. */
  readonly nameReader: NameReader;
  readonly payloads: PayloadClaims;
}

/** Takes payloads that go to files. */
export interface PayloadClaims {
  /** The reference that the row keeps; `undefined` if the payload stays in the row. */
  claim(payload: Uint8Array): Uint8Array | undefined;
}

/**
 * Turns event records into rows of the open batch, and notes them in the topic table, the index and the dedupe window.
 * Runs once per event, inside the batch's transaction: the hot path of the log.
 */
export class EventInserter {
  readonly #into: InsertedInto;
  readonly #rows: RowWriter;
  readonly #names: NameWriter;
  /** Emptied by a rollback, which removes the ids that the batch has assigned. */
  readonly #stored = new NameCache<StoredNames>((topic, type, source, length) => {
    const entry = this.#into.topics.findOrAdd(topic);
    const storedType = this.#names.of(type);
    const storedSource = this.#names.of(source);
    return {
      topic,
      type,
      source,
      length,
      entry,
      typeId: storedType.id,
      sourceId: storedSource.id,
      typeValue: valueOfHash(storedType.hash),
      sourceValue: valueOfHash(storedSource.hash),
    };
  });

  constructor(database: Database, into: InsertedInto) {
    this.#into = into;
    this.#rows = new RowWriter(database);
    this.#names = new NameWriter(database);
  }

  /** Adds the event and returns its topic. The record must stay as it is until `flush`. */
  add(view: EventRecordView, flags: number, sequence: number, recordedAt: number): string {
    const names = this.#stored.of(view.bytes, view.offset);
    const { topic, entry, typeId, sourceId, length } = names;
    const id = view.idAfter(length);
    const { timestamp, payloadBytes } = view;
    const isSupplied = (flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    const reference = this.#into.payloads.claim(payloadBytes);
    const payload = reference ?? payloadBytes;
    const kept = rowFlags(flags, reference !== undefined);
    const seed = eventSeed(sequence, recordedAt);
    const crc =
      reference === undefined ? view.checksum(seed) : view.checksumOfReference(reference, seed);
    const checksum = eventChecksum(crc, sequence, recordedAt, entry.id, typeId, sourceId, kept);
    const idStart = view.offset + EVENT_HEADER_LENGTH + length;
    const idEnd = idStart + id.length;
    let bytes = ROW_OVERHEAD_BYTES + payloadBytes.length;
    let correlation = NO_VALUE;
    if (kept === 0 && timestamp === recordedAt && !view.hasOptionalFields) {
      this.#rows.addSlim(sequence, recordedAt, entry.id, typeId, sourceId, checksum, id, payload);
    } else {
      const { correlationId, causationId, attributesText, correlationIdLength } = view;
      if (correlationIdLength > 0) {
        correlation = valueOfBytes(view.bytes, idEnd, idEnd + correlationIdLength);
      }
      if (attributesText !== undefined) bytes += Buffer.byteLength(attributesText);
      this.#rows.addFull(
        sequence,
        recordedAt,
        entry.id,
        typeId,
        sourceId,
        checksum,
        id,
        payload,
        kept,
        timestamp === recordedAt ? null : timestamp,
        correlationId ?? null,
        causationId ?? null,
        attributesText ?? null,
        this.#expiryOf(view, sequence),
      );
    }
    const { dedupe, index } = this.#into;
    if (isSupplied) dedupe.add(view, sequence);
    const hash = hashOfBytes(view.bytes, idStart, idEnd);
    index.fields.recent.note(sequence, correlation, names.sourceValue, names.typeValue);
    index.note(sequence, recordedAt, entry.id, bytes, isSupplied, hash);
    return topic;
  }

  /** When the event expires, which is noted; null: it does not. */
  #expiryOf(view: EventRecordView, sequence: number): number | null {
    if (!view.hasExpiry) return null;
    const { expiry } = view;
    this.#into.expiries.add(expiry, sequence);
    return expiry;
  }

  /** Forgets the cached names, which may be those of topics that are gone. Call it outside a batch. */
  forgetTopics(): void {
    this.#stored.clear();
  }

  /** Inserts the buffered rows, and writes how many events expire. */
  flush(): void {
    this.#rows.flush();
    this.#into.expiries.finish();
  }

  /** The batch is committed: the sequences after `from`, up to `head`. */
  commit(from: number, head: number): void {
    this.#names.commit();
    this.#into.index.commit(from, head);
    this.#into.dedupe.commit();
    this.#into.expiries.commit();
  }

  /** Removes the batch from every structure in memory; SQLite's own rollback follows, or has happened. */
  rollback(): void {
    const { topics, index, dedupe, expiries, nameReader } = this.#into;
    this.#rows.discard();
    topics.rollback();
    if (this.#names.rollback()) nameReader.forget();
    this.#stored.clear();
    index.rollback();
    dedupe.rollback();
    expiries.rollback();
  }
}

/** `events.flags`. */
function rowFlags(flags: number, isInFile: boolean): number {
  const inFile = isInFile ? ROW_FLAG_PAYLOAD_IN_FILE : 0;
  if ((flags & EVENT_FLAG_SUPPLIED_ID) === 0) return inFile;
  const isOfSource = (flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
  return inFile | ROW_FLAG_SUPPLIED_ID | (isOfSource ? ROW_FLAG_ID_OF_SOURCE : 0);
}
