/**
 * Turns event records into the events that users see. One per endpoint; not re-entrant. The record must not be
 * overwritten meanwhile: decode first, release the ring after.
 */
import type { Event } from '../../protocol/event.js';
import { keepPayloadText } from '../../protocol/payload-text.js';
import { EventRecordView } from '../../record/event-record.js';
import { NameCache, recordNames } from '../../record/name-cache.js';

let keepsTexts = false;

/** From now on this thread keeps the payload text of each event beside it: for who sends events on. */
export function keepPayloadTexts(): void {
  keepsTexts = true;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class RecordDecoder {
  readonly #view = new EventRecordView();
  readonly #names = new NameCache(recordNames);
  #timestampMs = Number.NaN;
  #timestampText = '';

  /** `sequence` 0 makes an ephemeral event. */
  decode(bytes: Buffer, offset: number, shard: number, sequence: number): Event {
    const view = this.#view.wrap(bytes, offset);
    const { topic, type, source, length } = this.#names.of(bytes, offset);
    const { payloadText } = view;
    const event: Writable<Event> = {
      id: view.idAfter(length),
      topic,
      type,
      payload: JSON.parse(payloadText),
      source,
      timestamp: this.#timestamp(view.timestamp),
      shard,
    };
    if (sequence !== 0) event.sequence = sequence;
    if (keepsTexts) keepPayloadText(event, payloadText);
    if (!view.hasOptionalFields) return event;
    const { correlationId, causationId, attributes } = view;
    if (correlationId !== undefined) event.correlationId = correlationId;
    if (causationId !== undefined) event.causationId = causationId;
    if (attributes !== undefined) event.attributes = attributes;
    return event;
  }

  /** A batch's events share few milliseconds, and making the text costs more than the rest of the event. */
  #timestamp(ms: number): string {
    if (ms !== this.#timestampMs) {
      this.#timestampMs = ms;
      this.#timestampText = new Date(ms).toISOString();
    }
    return this.#timestampText;
  }
}
