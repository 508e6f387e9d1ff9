import { computed, signal } from '@preact/signals';
import type { Event } from 'millrace/client';
import { isNarrow } from '../state/narrow.js';
import { amend, place, step, stepBack } from '../state/place.js';
import { addressOf, type EventAddress, textOf } from './event-address.js';

/** The event whose drawer is open. The address names it, `event=TOPIC/ID@SOURCE`, on any screen. */

/** The event that was opened from a list. It may be ephemeral, and then nobody else has it. */
const opened = signal<Event | undefined>(undefined);

const text = computed(() => place.value.parameters.get('event') ?? '');

export const shownAddress = computed(() => addressOf(text.value));

/** The event itself, where the page has it at hand; else the drawer asks the server. */
export const knownEvent = computed(() => {
  const address = shownAddress.value;
  const event = opened.value;
  const isIt = event?.id === address?.id && event?.topic === address?.topic;
  const isOfSource = address?.source === undefined || address.source === event?.source;
  return isIt && isOfSource ? event : undefined;
});

/** Opens the drawer with an event that the page has. */
export function showEvent(event: Event): void {
  opened.value = event;
  open(event);
}

/** Opens the drawer with an event to be asked for. */
export function showEventOf(address: EventAddress): void {
  open(address);
}

export function hideEvent(): void {
  if (isNarrow.peek() && stepBack()) return;
  opened.value = undefined;
  amend({ event: undefined });
}

/** On a phone the drawer covers the screen, so that the browser's way back closes it. */
function open(address: EventAddress): void {
  const event = textOf(address);
  if (isNarrow.peek() && shownAddress.peek() === undefined) step({ event });
  else amend({ event });
}
