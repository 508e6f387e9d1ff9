import {
  GROUP,
  GROUP_HEAD_LENGTH,
  type GroupAck,
  groupItemLength,
  PUBLISH_ON_TERMS,
  type PublishTerms,
  TERMS_LENGTH,
  writeGroupHead,
  writeTerms,
} from '../../link/publish-records.js';
import { BusError } from '../../protocol/errors.js';
import { ATOMIC_BYTES_MAX } from '../../protocol/limits/bus-api.js';
import type { EventRecordEncoder } from '../../record/event-record.js';
import type { PublishRecord } from '../links/endpoint-end.js';

const BYTES_AT_FIRST = 4096;
/** A buffer that has grown beyond this is not kept for the next group. */
const BYTES_KEPT = 256 * 1024;

/** Encodes the events of a group into one record. Used by one endpoint, for one group at a time. */
export class GroupEncoder {
  #bytes = Buffer.allocUnsafeSlow(BYTES_AT_FIRST);
  #length = 0;
  #count = 0;

  begin(): void {
    this.#length = GROUP_HEAD_LENGTH;
    this.#count = 0;
  }

  /** Adds the encoder's event. @throws BusError `PAYLOAD_TOO_LARGE` */
  add(encoder: EventRecordEncoder, terms: PublishTerms): void {
    const start = this.#length;
    const end = start + groupItemLength(encoder.measure());
    if (end > ATOMIC_BYTES_MAX) throw tooLarge(end);
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    writeTerms(bytes, start, terms);
    const eventEnd = start + TERMS_LENGTH + encoder.writeTo(bytes, start + TERMS_LENGTH);
    bytes.fill(0, eventEnd, end);
    this.#length = end;
    this.#count++;
  }

  /** The record of the group, in memory that the next group overwrites. */
  end(ack: GroupAck | undefined): PublishRecord {
    const bytes = this.#bytes;
    writeGroupHead(bytes, 0, this.#count, ack);
    if (bytes.length > BYTES_KEPT) this.#bytes = Buffer.allocUnsafeSlow(BYTES_AT_FIRST);
    const record = bytes.subarray(0, this.#length);
    return { type: GROUP, bytes: record, publishes: this.#count };
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(least, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The record of one publish on terms. */
export function encodeOnTerms(encoder: EventRecordEncoder, terms: PublishTerms): PublishRecord {
  const bytes = Buffer.allocUnsafeSlow(TERMS_LENGTH + encoder.measure());
  writeTerms(bytes, 0, terms);
  encoder.writeTo(bytes, TERMS_LENGTH);
  return { type: PUBLISH_ON_TERMS, bytes, publishes: 1 };
}

function tooLarge(bytes: number): BusError {
  const limit = ATOMIC_BYTES_MAX;
  const message = `atomic: the events have ${bytes} bytes and more; ${limit} is the limit`;
  return new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes, limit } });
}
