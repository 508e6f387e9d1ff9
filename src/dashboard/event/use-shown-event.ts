import { useSignal } from '@preact/signals';
import type { Event } from 'millrace/client';
import { useEffect } from 'preact/hooks';
import { client } from '../state/session.js';
import { messageOf } from '../text/message-of.js';
import { knownEvent, shownAddress } from './shown-event.js';

/** The event of the drawer: the one that the page has, or else as the server answers. */
export interface ShownEvent {
  readonly event: Event | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
}

export function useShownEvent(): ShownEvent {
  const asked = useSignal<ShownEvent>({ event: undefined, error: undefined, isLoading: true });
  const known = knownEvent.value;
  const { topic = '', id = '', source } = shownAddress.value ?? {};
  const isKnown = known !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `asked` stays the same signal.
  useEffect(() => {
    if (isKnown || id === '') return;
    let isOver = false;
    const answer = (shown: ShownEvent): void => {
      if (!isOver) asked.value = shown;
    };
    answer({ event: undefined, error: undefined, isLoading: true });
    client()
      .get(topic, id, source === undefined ? {} : { source })
      .then(
        (event) => answer({ event, error: undefined, isLoading: false }),
        (error) => answer({ event: undefined, error: messageOf(error), isLoading: false }),
      );
    return () => {
      isOver = true;
    };
  }, [isKnown, topic, id, source]);
  return isKnown ? { event: known, error: undefined, isLoading: false } : asked.value;
}
