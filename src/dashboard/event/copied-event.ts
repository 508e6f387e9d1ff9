import type { Event } from 'millrace/client';
import { go } from '../state/place.js';
import { type EventAddress, textOf } from './event-address.js';

/** An event of the page on its way into the form for publishing. An ephemeral one is nowhere else. */

let copied: Event | undefined;

/** Goes to the form, which fills itself with the event. */
export function publishAgain(event: Event): void {
  copied = event;
  go('publish', { copy: textOf(event) });
}

/** The event at this address, if it is the one on its way. */
export function copiedEvent(address: EventAddress): Event | undefined {
  return copied !== undefined && textOf(copied) === textOf(address) ? copied : undefined;
}
