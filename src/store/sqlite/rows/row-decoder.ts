import { BusError } from '../../../protocol/errors.js';
import { messageOf } from '../../../protocol/thrown.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EventRecordEncoder,
  EventRecordView,
} from '../../../record/event-record.js';
import { PayloadFiles, type PayloadReference } from '../../directory/payload-files.js';
import type { Database } from '../driver/driver.js';
import { CHECKED_FROM, MetaTable } from '../tables/meta-table.js';
import {
  ROW_FLAG_ID_OF_SOURCE,
  ROW_FLAG_PAYLOAD_IN_FILE,
  ROW_FLAG_SUPPLIED_ID,
} from '../tables/tables.js';
import { eventSeed, rowChecksum } from './checksums.js';
import type { EventRow } from './event-row.js';
import type { NameReader } from './names.js';
import { parseReference } from './payload-reference.js';

/**
 * Turns rows of `events` back into event records, and checks each against its checksum. The payload is read as text:
 * SQLite hands text over faster than a blob, and bytes that are not UTF-8 fail the checksum. A payload in a file is read
 * into the record, and checked against its hash; the row's checksum covers the reference.
 */
export class RowDecoder {
  readonly #encoder = new EventRecordEncoder();
  readonly #view = new EventRecordView();
  readonly #names: NameReader;
  readonly #topicName: (id: number) => string;
  readonly #file: string;
  readonly #shard: number;
  /** Rows before this sequence have the CRC-32 of the record alone. */
  readonly #checkedFrom: number;
  readonly #payloads: PayloadFiles;
  /** Of the row measured last, if its payload lies in a file. */
  #reference: PayloadReference | undefined;

  constructor(
    database: Database,
    shard: number,
    names: NameReader,
    topicName: (id: number) => string,
  ) {
    this.#file = database.name;
    this.#shard = shard;
    this.#checkedFrom = new MetaTable(database).all()[CHECKED_FROM] ?? Number.POSITIVE_INFINITY;
    this.#names = names;
    this.#topicName = topicName;
    this.#payloads = new PayloadFiles(database.name);
  }

  /** Bytes of the row measured last that lie in a file: `check` needs no room for them. */
  get bytesInFile(): number {
    return this.#reference?.length ?? 0;
  }

  /** The length of the row's record. Call `write` or `check` next. */
  measure(row: EventRow): number {
    const encoder = this.#encoder;
    const flags = row[8] ?? 0;
    const supplied = (flags & ROW_FLAG_SUPPLIED_ID) === 0 ? 0 : EVENT_FLAG_SUPPLIED_ID;
    const ofSource = (flags & ROW_FLAG_ID_OF_SOURCE) === 0 ? 0 : EVENT_FLAG_ID_OF_SOURCE;
    const timed = row[9] === null ? 0 : EVENT_FLAG_SUPPLIED_TIMESTAMP;
    try {
      this.#reference = undefined;
      this.#takePayload(row[7], flags);
      encoder.topic = this.#topicName(row[2]);
      encoder.type = this.#names.name(row[3]);
      encoder.source = this.#names.name(row[4]);
      encoder.flags = EVENT_FLAG_PERSIST | supplied | ofSource | timed;
      encoder.timestamp = row[9] ?? row[1];
      encoder.id = row[6];
      encoder.correlationId = row[10] ?? '';
      encoder.causationId = row[11] ?? '';
      encoder.attributes = row[12] ?? '';
      encoder.expiry = row[13] ?? 0;
      return encoder.measure();
    } catch (error) {
      // A damaged row may have a value of any type in any column.
      throw this.#corrupt(row[0], messageOf(error));
    }
  }

  /**
   * Writes the record measured last.
   * @throws BusError `STORE_CORRUPT` if its checksum is not the row's, or its payload's file is missing or damaged
   */
  write(row: EventRow, bytes: Buffer, offset: number): number {
    const length = this.check(row, bytes, offset);
    const reference = this.#reference;
    if (reference === undefined) return length;
    try {
      this.#payloads.readInto(reference, bytes, offset + length - reference.length);
    } catch (error) {
      throw this.#withoutPayload(row[0], error);
    }
    return length;
  }

  /** As `write`, but leaves out a payload that lies in a file. */
  check(row: EventRow, bytes: Buffer, offset: number): number {
    const length = this.#write(row, bytes, offset);
    const found = this.#checksumOf(row, this.#view.wrap(bytes, offset));
    if (found === row[5]) return length;
    throw this.#corrupt(row[0], `its checksum is ${found}, not ${row[5]}`);
  }

  #takePayload(payload: string, flags: number): void {
    const encoder = this.#encoder;
    if ((flags & ROW_FLAG_PAYLOAD_IN_FILE) === 0) {
      encoder.payloadAside = -1;
      encoder.payload = payload;
      return;
    }
    this.#reference = parseReference(payload);
    if (this.#reference === undefined) throw new Error('its payload is no reference to a file');
    encoder.payloadAside = this.#reference.length;
  }

  #checksumOf(row: EventRow, view: EventRecordView): number {
    if (row[0] < this.#checkedFrom) return view.checksum(0);
    const seed = eventSeed(row[0], row[1]);
    if (this.#reference === undefined) return rowChecksum(row, view.checksum(seed));
    return rowChecksum(row, view.checksumOfReference(Buffer.from(row[7]), seed));
  }

  #write(row: EventRow, bytes: Buffer, offset: number): number {
    try {
      return this.#encoder.writeTo(bytes, offset);
    } catch (error) {
      throw this.#corrupt(row[0], messageOf(error));
    }
  }

  /** The error of a payload's file, as one of its event. */
  #withoutPayload(sequence: number, error: unknown): unknown {
    if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') return error;
    const { file, payload } = error.details ?? {};
    const corrupt = this.#corrupt(sequence, `its payload ${error.message}`);
    const missing = payload === undefined ? {} : { payload };
    const details = { ...corrupt.details, payloadFile: file, ...missing };
    return new BusError(corrupt.code, corrupt.message, { details, cause: error });
  }

  #corrupt(sequence: number, reason: string): BusError {
    const details = { file: this.#file, shard: this.#shard, sequence, reason };
    const message = `${this.#file}: event ${sequence} is damaged: ${reason}`;
    return new BusError('STORE_CORRUPT', message, { details });
  }
}
