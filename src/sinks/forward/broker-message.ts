import { PAYLOAD_TEXT } from '../../protocol/payload-text.js';
import type { Forwarded } from './hops.js';

/** A forwarded event as other programs find it on a broker. Pure. */

/** The event as JSON, with the payload's own text. */
export function messageText(input: Forwarded): string {
  const { payload, ...fields } = input;
  const text = input[PAYLOAD_TEXT] ?? JSON.stringify(payload);
  return `${JSON.stringify(fields).slice(0, -1)},"payload":${text}}`;
}

/**
 * What a repeat has in common with the event. A publisher may give an id again later on, and a source has ids of its own;
 * so topic and id alone would not do.
 */
export function messageId({ topic, id, source, timestamp }: Forwarded): string {
  return JSON.stringify([topic, id, source ?? null, timestamp ?? null]);
}
