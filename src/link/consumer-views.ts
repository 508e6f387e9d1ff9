import { SETTLEMENTS_PER_RECORD } from '../protocol/limits/consumers.js';
import { EventRecordView } from '../record/event-record.js';
import {
  CONTROL_MEMBER,
  LEASE_ATTEMPT,
  LEASE_DEADLINE,
  LEASE_EVENT,
  LEASE_FLAGS,
  LEASE_LEASE,
  LEASE_MEMBER,
  LEASE_SEQUENCE,
  LOST_RECORD_LENGTH,
  REASON_LENGTH,
  REASON_NUMBER,
  REASON_TEXT,
  SETTLE_COUNT,
  SETTLE_FIRST,
  SETTLE_HEAD_LENGTH,
  SETTLED_COUNT,
  SETTLED_MEMBER,
  SETTLED_REFUSED,
  SETTLED_THROUGH,
  SETTLEMENT_DELAY,
  SETTLEMENT_KIND,
  SETTLEMENT_LEASE,
  SETTLEMENT_LENGTH,
  SETTLEMENT_SEQUENCE,
  SUPPLY_COUNT,
  SUPPLY_GONE,
  SUPPLY_LEASE,
  SUPPLY_LOST,
  SUPPLY_MEMBER,
  SUPPLY_READY,
  SUPPLY_RECORD_LENGTH,
  SUPPLY_SEQUENCE,
  SUPPLY_WHAT,
  TOKENS_CONCURRENCY,
  TOKENS_COUNT,
  TOKENS_RECORD_LENGTH,
} from './consumer-records.js';

/**
 * Views of the records of durable consumers (`consumer-records.ts`). A view is wrapped around one body after another and
 * copies nothing: read what is needed before the ring's memory is released. `wrap` throws a `RangeError` for a body that
 * is longer or shorter than its fields say, which only a fault of ours can make.
 */
class RecordView {
  protected bytes: Buffer = Buffer.alloc(0);
  protected offset = 0;

  protected take(bytes: Buffer, offset: number, length: number, least: number): void {
    this.bytes = bytes;
    this.offset = offset;
    if (length < least) this.refuse(length, least);
  }

  protected refuse(length: number, expected: number): never {
    throw new RangeError(`${this.constructor.name}: a record of ${length} bytes, not ${expected}`);
  }

  protected int(at: number): number {
    return this.bytes.readInt32LE(this.offset + at);
  }

  protected double(at: number): number {
    return this.bytes.readDoubleLE(this.offset + at);
  }
}

export class SettleView extends RecordView {
  count = 0;

  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, SETTLE_HEAD_LENGTH);
    this.count = this.int(SETTLE_COUNT);
    const expected = SETTLE_HEAD_LENGTH + this.count * SETTLEMENT_LENGTH;
    if (this.count < 1 || this.count > SETTLEMENTS_PER_RECORD || length !== expected) {
      this.refuse(length, expected);
    }
    return this;
  }

  get member(): number {
    return this.int(CONTROL_MEMBER);
  }

  /** The number of the first settlement. */
  get first(): number {
    return this.double(SETTLE_FIRST);
  }

  sequence(index: number): number {
    return this.double(at(index) + SETTLEMENT_SEQUENCE);
  }

  lease(index: number): number {
    return this.double(at(index) + SETTLEMENT_LEASE);
  }

  kind(index: number): number {
    return this.bytes.readUInt32LE(this.offset + at(index) + SETTLEMENT_KIND);
  }

  delayMs(index: number): number {
    return this.bytes.readUInt32LE(this.offset + at(index) + SETTLEMENT_DELAY);
  }
}

/** Where a settlement begins in its record. */
function at(index: number): number {
  return SETTLE_HEAD_LENGTH + index * SETTLEMENT_LENGTH;
}

export class ReasonView extends RecordView {
  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, REASON_TEXT);
    const expected = REASON_TEXT + this.int(REASON_LENGTH);
    if (length !== expected) this.refuse(length, expected);
    return this;
  }

  get member(): number {
    return this.int(CONTROL_MEMBER);
  }

  /** The number of its settlement. */
  get number(): number {
    return this.double(REASON_NUMBER);
  }

  get text(): string {
    const start = this.offset + REASON_TEXT;
    return this.bytes.toString('utf8', start, start + this.int(REASON_LENGTH));
  }
}

export class TokensView extends RecordView {
  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, TOKENS_RECORD_LENGTH);
    if (length !== TOKENS_RECORD_LENGTH) this.refuse(length, TOKENS_RECORD_LENGTH);
    return this;
  }

  get member(): number {
    return this.int(CONTROL_MEMBER);
  }

  /** Under 0: so many are taken back. */
  get count(): number {
    return this.int(TOKENS_COUNT);
  }

  get concurrency(): number {
    return this.int(TOKENS_CONCURRENCY);
  }
}

export class LeaseView extends RecordView {
  readonly #event = new EventRecordView();

  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, LEASE_EVENT + 4);
    const expected = LEASE_EVENT + this.event.length;
    if (length !== expected) this.refuse(length, expected);
    return this;
  }

  get sequence(): number {
    return this.double(LEASE_SEQUENCE);
  }

  get lease(): number {
    return this.double(LEASE_LEASE);
  }

  /** A time of `elapsedMs`. */
  get deadline(): number {
    return this.double(LEASE_DEADLINE);
  }

  get member(): number {
    return this.int(LEASE_MEMBER);
  }

  get attempt(): number {
    return this.int(LEASE_ATTEMPT);
  }

  get flags(): number {
    return this.int(LEASE_FLAGS);
  }

  /** The same view each time. */
  get event(): EventRecordView {
    return this.#event.wrap(this.bytes, this.offset + LEASE_EVENT);
  }
}

export class SettledView extends RecordView {
  /** How many settlements were refused. */
  count = 0;

  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, SETTLED_REFUSED);
    this.count = this.int(SETTLED_COUNT);
    const expected = SETTLED_REFUSED + this.count * 8;
    if (this.count < 0 || length !== expected) this.refuse(length, expected);
    return this;
  }

  get member(): number {
    return this.int(SETTLED_MEMBER);
  }

  /** Every settlement of the member up to this number is decided. */
  get through(): number {
    return this.double(SETTLED_THROUGH);
  }

  /** The number of a settlement that was refused, in ascending order. */
  refused(index: number): number {
    return this.double(SETTLED_REFUSED + index * 8);
  }
}

export class SupplyView extends RecordView {
  wrap(bytes: Buffer, offset: number, length: number): this {
    this.take(bytes, offset, length, SUPPLY_RECORD_LENGTH);
    const { what } = this;
    const expected = what === SUPPLY_LOST ? LOST_RECORD_LENGTH : SUPPLY_RECORD_LENGTH;
    const isKnown = what >= SUPPLY_READY && what <= SUPPLY_GONE;
    if (!isKnown || length !== expected) this.refuse(length, expected);
    return this;
  }

  get member(): number {
    return this.int(SUPPLY_MEMBER);
  }

  get what(): number {
    return this.int(SUPPLY_WHAT);
  }

  /** How many tokens come back. */
  get count(): number {
    return this.int(SUPPLY_COUNT);
  }

  /** Of the lease that was lost. */
  get sequence(): number {
    return this.double(SUPPLY_SEQUENCE);
  }

  get lease(): number {
    return this.double(SUPPLY_LEASE);
  }
}
