import { type Event, payloadText } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { type Asked, useAsked } from '../state/asked.js';
import { client, isConnected } from '../state/session.js';

/** The payload as JSON. */
export interface ShownText {
  readonly text: string;
  /**
   * Says why this is not the text of the sender but written anew, from values that JavaScript holds. Undefined where
   * it is that text.
   */
  readonly fault: string | undefined;
}

const WRITTEN_ANEW = 'this is written anew: numbers beyond 2^53 may differ from what was sent.';

/** Asks the server for the text as it was sent. `undefined` until it has answered. */
export function usePayloadText(event: Event): ShownText | undefined {
  const isStored = event.sequence !== undefined;
  const asked = useAsked(() => sentText(event), isStored ? event : undefined);
  const sent = asked.kind === 'answered' ? asked.value : undefined;
  const isAwaited = isStored && asked.kind === 'waiting' && isConnected.value;
  return useMemo(() => {
    if (isAwaited) return undefined;
    if (sent !== undefined) return { text: sent, fault: undefined };
    return { text: payloadText(event), fault: `${faultOf(event, asked)}, so ${WRITTEN_ANEW}` };
  }, [event, asked, sent, isAwaited]);
}

/** Undefined where the event at this place is no longer the same one. */
async function sentText(event: Event): Promise<string | undefined> {
  const stored = await client().get(event.topic, event.id, { source: event.source });
  const isIt = stored?.shard === event.shard && stored.sequence === event.sequence;
  return stored !== undefined && isIt ? payloadText(stored) : undefined;
}

function faultOf({ sequence }: Event, asked: Asked<string | undefined>): string {
  if (sequence === undefined) return 'The event is not stored';
  if (asked.kind === 'answered') return 'The event is no longer stored';
  if (asked.kind === 'failed') return `The server did not give the event again (${asked.error})`;
  return 'The server cannot be reached';
}
