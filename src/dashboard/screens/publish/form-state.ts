import { signal } from '@preact/signals';
import { type BusClient, type DefinitionInfo, payloadText } from 'millrace/client';
import type { EventAddress } from '../../event/event-address.js';
import { textOf } from '../../event/event-address.js';
import { messageOf } from '../../text/message-of.js';
import { type Draft, draftOf, EMPTY_DRAFT } from './draft.js';

/** The event in the form. It stays while other screens show. */
export const draft = signal<Draft>(EMPTY_DRAFT);

/** The topics with which the server's bus was opened, as far as this principal may publish to them. */
export const definitions = signal<readonly DefinitionInfo[]>([]);

export function amendDraft(changes: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...changes };
}

/** Fills the form with a stored event. Returns why it cannot. */
export async function loadEvent(
  client: BusClient,
  address: EventAddress,
): Promise<string | undefined> {
  try {
    const { topic, id, source } = address;
    const event = await client.get(topic, id, source === undefined ? {} : { source });
    if (event === undefined)
      return `There is no stored event ${textOf(address)} that you may read.`;
    draft.value = draftOf(event, payloadText(event));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

export async function learnDefinitions(client: BusClient): Promise<void> {
  try {
    definitions.value = await client.definitions();
  } catch {
    // Schemas are a help; an event can be published without them.
  }
}
