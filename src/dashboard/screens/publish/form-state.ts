import { signal } from '@preact/signals';
import { type BusClient, payloadText } from 'millrace/client';
import { copiedEvent } from '../../event/copied-event.js';
import { type EventAddress, textOf } from '../../event/event-address.js';
import { holdsLongNumbers } from '../../text/long-numbers.js';
import { messageOf } from '../../text/message-of.js';
import { type Draft, draftOf, EMPTY_DRAFT } from './draft.js';
import { isMasked } from './masked.js';
import { sent } from './sent.js';

/** The event in the form. It stays while other screens show. */
export const draft = signal<Draft>(EMPTY_DRAFT);

/** What was typed and not sent when another event took its place in the form. */
export const setAside = signal<Draft | undefined>(undefined);

/** With what the form was filled, to tell what a person has typed since. */
let filled = EMPTY_DRAFT;

export function amendDraft(changes: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...changes };
}

/** Fills the form. What a person has typed and not sent can be brought back. */
export function fillForm(next: Draft): void {
  const present = draft.peek();
  const isTyped = present !== filled && sent.peek().every((one) => one.draft !== present);
  setAside.value = isTyped ? present : undefined;
  filled = next;
  draft.value = next;
}

export function bringBack(): void {
  const { value } = setAside;
  if (value !== undefined) draft.value = value;
  setAside.value = undefined;
}

/** Fills the form with an event. Returns why it cannot, or what to know about the copy. */
export async function loadEvent(
  client: BusClient,
  address: EventAddress,
): Promise<string | undefined> {
  const copied = copiedEvent(address);
  if (copied !== undefined && copied.sequence === undefined) {
    fillForm(draftOf(copied, payloadText(copied)));
    return holdsLongNumbers(copied.payload) ? ROUNDED : undefined;
  }
  try {
    const { topic, id, source } = address;
    const event = await client.get(topic, id, source === undefined ? {} : { source });
    if (event === undefined)
      return `There is no stored event ${textOf(address)} that you may read.`;
    const text = payloadText(event);
    fillForm(draftOf(event, text));
    return isMasked(text) ? MASKED : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const ROUNDED =
  'The event is ephemeral, so the page has its payload as JavaScript holds it. Numbers of more than 15 digits may ' +
  'differ from those that were sent.';

const MASKED = 'The event has values that you may not read. “[redacted]” stands in their place.';
