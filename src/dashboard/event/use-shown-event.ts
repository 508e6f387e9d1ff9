import type { Event } from 'millrace/client';
import { type Asked, useAsked } from '../state/asked.js';
import { client } from '../state/session.js';
import { textOf } from './event-address.js';
import { knownEvent, shownAddress } from './shown-event.js';

/** The event of the drawer: the one that the page has, or else as the server answers. */
export function useShownEvent(): Asked<Event | undefined> {
  const known = knownEvent.value;
  const address = shownAddress.value;
  const wanted = known === undefined ? address : undefined;
  const asked = useAsked(
    async () => {
      const { topic, id, source } = wanted!;
      return client().get(topic, id, source === undefined ? {} : { source });
    },
    wanted === undefined ? undefined : textOf(wanted),
  );
  return known === undefined ? asked : { kind: 'answered', value: known };
}
