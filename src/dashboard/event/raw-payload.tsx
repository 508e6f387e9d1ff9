import type { Event } from 'millrace/client';
import { CopyButton } from './copy-button.js';
import { LongText } from './long-text.js';
import { usePayloadText } from './use-payload-text.js';

/** The payload as JSON, as it was sent. */
export function RawPayload({ event }: { readonly event: Event }) {
  const shown = usePayloadText(event);
  if (shown === undefined) return <p class="loading">Loading …</p>;
  return (
    <>
      <p class="row soft">
        {shown.fault ?? 'The payload as it was sent.'}
        <CopyButton what="the payload" text={() => shown.text} />
      </p>
      <LongText text={shown.text} />
    </>
  );
}
