import { PUBLISH } from '../../link/link-records.js';
import type { PublishTerms } from '../../link/publish-records.js';
import type { EventRecordEncoder } from '../../record/event-record.js';
import type { EndpointEnd, PendingPublish, PublishRecord } from '../links/endpoint-end.js';
import { encodeOnTerms } from './group-encoder.js';
import { type ManyPublish, type ManyPublishPart, ManyPublishWaiting } from './many-publish.js';
import type { Waiter, WaitingRooms } from './waiting-rooms.js';

/** Hands publishes to shards, at once or after a wait. Used by the endpoint's thread alone. */
export class Handing {
  readonly #encoder: EventRecordEncoder;
  readonly #waiting: WaitingRooms;

  constructor(encoder: EventRecordEncoder, waiting: WaitingRooms) {
    this.#encoder = encoder;
    this.#waiting = waiting;
  }

  /**
   * Hands the encoded event to its shard, or lets it wait and returns the waiter. Never throws: failures go to
   * `pending`.
   */
  hand(
    end: EndpointEnd,
    pending: PendingPublish,
    terms: PublishTerms | undefined,
  ): Waiter | undefined {
    if (terms !== undefined) {
      return this.handRecord(end, encodeOnTerms(this.#encoder, terms), pending);
    }
    if (end.failure !== undefined) {
      pending.fail(end.failure);
      return undefined;
    }
    const length = this.#encoder.measure();
    if (this.#handAtOnce(end, length, pending)) return undefined;
    return this.#waiting.add(end, length, () => this.#record(length), pending);
  }

  /** As `#hand`, for a record in memory that may be overwritten later. */
  handRecord(end: EndpointEnd, record: PublishRecord, pending: PendingPublish): Waiter | undefined {
    if (end.failure !== undefined) {
      pending.fail(end.failure);
      return undefined;
    }
    if (!this.#waiting.isAwaited(end) && end.tryPublishRecord(record, pending)) return undefined;
    const copy = (): PublishRecord => ({ ...record, bytes: Buffer.from(record.bytes) });
    return this.#waiting.add(end, record.bytes.length, copy, pending);
  }

  /** The encoded event as a record of its own. */
  #record(length: number): PublishRecord {
    const bytes = Buffer.allocUnsafeSlow(length);
    this.#encoder.writeTo(bytes, 0);
    return { type: PUBLISH, bytes, publishes: 1 };
  }

  /** As `#hand`, for one event of a `publishMany`; `part` counts only events in the ring. */
  handOneOf(
    many: ManyPublish,
    index: number,
    end: EndpointEnd,
    part: ManyPublishPart,
    terms: PublishTerms | undefined,
  ): Waiter | undefined {
    if (terms !== undefined) {
      return this.hand(end, new ManyPublishWaiting(many, index), terms);
    }
    if (end.failure !== undefined) {
      many.fail(index, end.failure);
      return undefined;
    }
    const length = this.#encoder.measure();
    if (this.#handAtOnce(end, length, part)) {
      part.handed(index);
      return undefined;
    }
    const waiting = new ManyPublishWaiting(many, index);
    return this.#waiting.add(end, length, () => this.#record(length), waiting);
  }

  /** False if the ring is full, or if other publishes wait for it and go first. */
  #handAtOnce(end: EndpointEnd, length: number, pending: PendingPublish): boolean {
    return !this.#waiting.isAwaited(end) && end.tryPublish(this.#encoder, length, pending);
  }
}
