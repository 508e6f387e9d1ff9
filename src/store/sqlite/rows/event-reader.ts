import { BusError } from '../../../protocol/errors.js';
import type { ReadRequest } from '../../shard-log.js';
import type { StoredRecord } from '../../stored-record.js';
import { RecordBuffer } from './record-buffer.js';
import type { RowDecoder } from './row-decoder.js';
import type { RowReader } from './row-reader.js';

interface MutableRecord {
  sequence: number;
  recordedAt: number;
  bytes: Buffer;
  offset: number;
  length: number;
}

const BUFFER_BYTES = 64 * 1024;

/** Reads the writer's own committed events in sequence order, into a buffer that the next read uses again. */
export class EventReader {
  readonly #rows: RowReader;
  readonly #records: RecordBuffer;
  readonly #record: MutableRecord;

  constructor(rows: RowReader, decoder: RowDecoder) {
    this.#rows = rows;
    this.#records = new RecordBuffer(decoder, BUFFER_BYTES);
    const { bytes } = this.#records;
    this.#record = { sequence: 0, recordedAt: 0, bytes, offset: 0, length: 0 };
  }

  /** A copy of the record of one event; undefined if it is damaged or not there. */
  recordOf(sequence: number): Uint8Array | undefined {
    let record: Uint8Array | undefined;
    try {
      const request = { after: sequence - 1, limit: 1 };
      this.read(request, sequence, ({ bytes, offset, length }) => {
        record = Uint8Array.from(bytes.subarray(offset, offset + length));
        return false;
      });
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
    }
    return record;
  }

  read(
    request: ReadRequest,
    head: number,
    visit: (record: StoredRecord) => boolean | undefined,
  ): number {
    const { after, limit } = request;
    if (limit <= 0) return 0;
    const until = Math.min(request.until ?? head, head);
    const limitBytes = request.limitBytes ?? Number.POSITIVE_INFINITY;
    const records = this.#records;
    const record = this.#record;
    let count = 0;
    records.clear();
    this.#rows.range(after, until, false, (row) => {
      record.length = records.add(row);
      record.sequence = row[0];
      record.recordedAt = row[1];
      record.bytes = records.bytes;
      record.offset = records.offset;
      count++;
      return visit(record) !== false && count < limit && records.length < limitBytes;
    });
    return count;
  }
}
