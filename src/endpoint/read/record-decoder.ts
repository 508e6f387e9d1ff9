/**
 * Turns event records into events. Not re-entrant. The record must not be overwritten meanwhile: release the ring only
 * after decoding.
 */
import type { Event } from '../../protocol/event.js';
import { UnparsedEvent } from '../../protocol/unparsed-event.js';
import { EventRecordView } from '../../record/event-record.js';
import { NameCache, recordNames } from '../../record/name-cache.js';
import type { Asker } from '../asker.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** All decoders of a thread share one cache: it takes more than a MiB, and each read of history has a decoder. */
let sharedNames: NameCache | undefined;

export class RecordDecoder {
  readonly #sendsOn: boolean;
  readonly #view = new EventRecordView();
  readonly #names: NameCache;
  #timestampMs = Number.NaN;
  #timestampText = '';

  /** `sendsOn`: makes `UnparsedEvent`s, for an asker that only sends events on. */
  constructor({ sendsOn }: Pick<Asker, 'sendsOn'>) {
    this.#sendsOn = sendsOn;
    sharedNames ??= new NameCache(recordNames);
    this.#names = sharedNames;
  }

  /** `sequence` 0 makes an ephemeral event. */
  decode(bytes: Buffer, offset: number, shard: number, sequence: number): Event {
    const view = this.#view.wrap(bytes, offset);
    const { topic, type, source, length } = this.#names.of(bytes, offset);
    const id = view.idAfter(length);
    const timestamp = this.#timestamp(view.timestamp);
    if (this.#sendsOn) {
      const fields: Fields = { id, topic, type, source, timestamp, shard };
      return new UnparsedEvent(withOptional(fields, view, sequence), view.payloadText);
    }
    const payload: unknown = JSON.parse(view.payloadText);
    const event: Writable<Event> = { id, topic, type, payload, source, timestamp, shard };
    return withOptional(event, view, sequence);
  }

  /**
   * Keeps the last text: a batch's events share few milliseconds, and the text costs more than the rest of an event.
   */
  #timestamp(ms: number): string {
    if (ms !== this.#timestampMs) {
      this.#timestampMs = ms;
      this.#timestampText = new Date(ms).toISOString();
    }
    return this.#timestampText;
  }
}

type Fields = Writable<Omit<Event, 'payload'>>;

function withOptional<F extends Fields>(fields: F, view: EventRecordView, sequence: number): F {
  if (sequence !== 0) fields.sequence = sequence;
  if (!view.hasOptionalFields) return fields;
  const { correlationId, causationId, attributes } = view;
  if (correlationId !== undefined) fields.correlationId = correlationId;
  if (causationId !== undefined) fields.causationId = causationId;
  if (attributes !== undefined) fields.attributes = attributes;
  if (view.hasExpiry) fields.expiresAt = new Date(view.expiry).toISOString();
  return fields;
}
