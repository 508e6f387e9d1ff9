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
import type { Database } from '../driver/driver.js';
import { CHECKED_FROM, MetaTable } from '../tables/meta-table.js';
import { ROW_FLAG_ID_OF_SOURCE, ROW_FLAG_SUPPLIED_ID } from '../tables/tables.js';
import { eventSeed, rowChecksum } from './checksums.js';
import type { EventRow } from './event-row.js';
import type { NameReader } from './names.js';

/**
 * Turns rows of `events` back into event records, and checks each against its checksum. The payload is read as text:
 * SQLite hands text over faster than a blob, and bytes that are not UTF-8 fail the checksum.
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
  }

  /** The length of the row's record. Call `write` next. */
  measure(row: EventRow): number {
    const encoder = this.#encoder;
    const flags = row[8] ?? 0;
    const supplied = (flags & ROW_FLAG_SUPPLIED_ID) === 0 ? 0 : EVENT_FLAG_SUPPLIED_ID;
    const ofSource = (flags & ROW_FLAG_ID_OF_SOURCE) === 0 ? 0 : EVENT_FLAG_ID_OF_SOURCE;
    const timed = row[9] === null ? 0 : EVENT_FLAG_SUPPLIED_TIMESTAMP;
    try {
      encoder.topic = this.#topicName(row[2]);
      encoder.type = this.#names.name(row[3]);
      encoder.source = this.#names.name(row[4]);
      encoder.flags = EVENT_FLAG_PERSIST | supplied | ofSource | timed;
      encoder.timestamp = row[9] ?? row[1];
      encoder.id = row[6];
      encoder.payload = row[7];
      encoder.correlationId = row[10] ?? '';
      encoder.causationId = row[11] ?? '';
      encoder.attributes = row[12] ?? '';
      return encoder.measure();
    } catch (error) {
      // A damaged row may have a value of any type in any column.
      throw this.#corrupt(row[0], messageOf(error));
    }
  }

  /** Writes the record measured last. @throws BusError `STORE_CORRUPT` if its checksum is not the row's */
  write(row: EventRow, bytes: Buffer, offset: number): number {
    const length = this.#write(row, bytes, offset);
    const view = this.#view.wrap(bytes, offset);
    const isCovered = row[0] >= this.#checkedFrom;
    const found = isCovered
      ? rowChecksum(row, view.checksum(eventSeed(row[0], row[1])))
      : view.checksum(0);
    if (found === row[5]) return length;
    throw this.#corrupt(row[0], `its checksum is ${found}, not ${row[5]}`);
  }

  #write(row: EventRow, bytes: Buffer, offset: number): number {
    try {
      return this.#encoder.writeTo(bytes, offset);
    } catch (error) {
      throw this.#corrupt(row[0], messageOf(error));
    }
  }

  #corrupt(sequence: number, reason: string): BusError {
    const details = { file: this.#file, shard: this.#shard, sequence, reason };
    const message = `${this.#file}: event ${sequence} is damaged: ${reason}`;
    return new BusError('STORE_CORRUPT', message, { details });
  }
}
