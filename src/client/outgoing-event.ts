import { ulid } from 'ulid';
import type { TopicDefinitions } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { EventInput, PublishManyOptions } from '../protocol/event.js';
import { checkEventInput } from '../protocol/event-input.js';
import { inputPayloadText } from '../protocol/payload.js';
import { utf8Length } from '../protocol/utf8.js';

/**
 * An event ready to be sent: checked, with an id, and with its JSON text, which is made once however often it is sent.
 */
export interface OutgoingEvent {
  readonly id: string;
  /** The client chose the id, so no other publish can have it. */
  readonly hasOwnId: boolean;
  readonly topic: string;
  readonly text: string;
  readonly bytes: number;
}

export interface OutgoingLimits {
  readonly payloadBytes: number;
  readonly frameBytes: number;
}

/** Generous room for the part of a frame that is not events. */
export const FRAME_ENVELOPE_BYTES = 256;

/** @throws BusError as `publish` of a bus in the same process */
export function outgoingEvent(
  input: EventInput,
  source: string | undefined,
  definitions: TopicDefinitions,
  limits: OutgoingLimits,
): OutgoingEvent {
  checkEventInput(input);
  definitions.validate(input.topic, input.payload);
  const { payload: _, timestamp, expiresAt, ...fields } = input;
  const payloadJson = inputPayloadText(input, limits.payloadBytes);
  const id = input.id ?? ulid();
  const times = { timestamp: timeText(timestamp), expiresAt: timeText(expiresAt) };
  const head = JSON.stringify({ source, ...fields, id, ...times });
  const text = `${head.slice(0, -1)},"payload":${payloadJson}}`;
  const bytes = utf8Length(text);
  if (bytes + FRAME_ENVELOPE_BYTES > limits.frameBytes) {
    const message = `the event is ${bytes} bytes of JSON; the server takes ${limits.frameBytes}`;
    const details = { bytes, limit: limits.frameBytes };
    throw new BusError('PAYLOAD_TOO_LARGE', message, { details });
  }
  return { id, hasOwnId: input.id === undefined, topic: input.topic, text, bytes };
}

/** The JSON text that follows the event or events in the payload of `publish`. */
export function publishOptionsText(options: PublishManyOptions): string {
  const { durability, persist, idScope, atomic, expect, deliverAt, delayMs, ttlMs } = options;
  const terms = { durability, persist, idScope, atomic, expect, deliverAt, delayMs, ttlMs };
  const text = JSON.stringify(terms);
  return text === '{}' ? '' : `,${text.slice(1, -1)}`;
}

/** @param isSent the server may have it */
export function aborted(signal: AbortSignal, isSent: boolean): BusError {
  const message = isSent
    ? 'the publish was aborted; the server may store it all the same'
    : 'the publish was aborted before it was sent';
  return new BusError('ABORTED', message, { cause: signal.reason, details: { isSent } });
}

function timeText(time: string | Date | undefined): string | undefined {
  return typeof time === 'object' ? time.toISOString() : time;
}
