import type { Event } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { CopyButton } from './copy-button.js';
import { LongText } from './long-text.js';

/** The payload as JSON. */
export function RawPayload({ event }: { readonly event: Event }) {
  const text = useMemo(() => JSON.stringify(event.payload), [event]);
  return (
    <>
      <div class="row">
        <CopyButton what="the payload" text={() => text} />
      </div>
      <LongText text={text} />
    </>
  );
}
