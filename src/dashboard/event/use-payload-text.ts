import { useSignal } from '@preact/signals';
import { type Event, payloadText } from 'millrace/client';
import { useEffect } from 'preact/hooks';
import { client } from '../state/session.js';

/** The payload as JSON. */
export interface ShownText {
  readonly text: string;
  /** The text of the sender; else the page has written it from values that JavaScript holds. */
  readonly isExact: boolean;
}

/** Asks the server for the text as it was sent. `undefined` until it has answered. */
export function usePayloadText(event: Event): ShownText | undefined {
  const shown = useSignal<ShownText | undefined>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shown` stays the same signal.
  useEffect(() => {
    let isOver = false;
    shown.value = undefined;
    void textOf(event).then((text) => {
      if (!isOver) shown.value = text;
    });
    return () => {
      isOver = true;
    };
  }, [event]);
  return shown.value;
}

async function textOf(event: Event): Promise<ShownText> {
  if (event.sequence !== undefined) {
    try {
      const stored = await client().get(event.topic, event.id, { source: event.source });
      const isIt = stored?.shard === event.shard && stored.sequence === event.sequence;
      if (stored !== undefined && isIt) return { text: payloadText(stored), isExact: true };
    } catch {
      // The event is at hand all the same.
    }
  }
  return { text: payloadText(event), isExact: false };
}
