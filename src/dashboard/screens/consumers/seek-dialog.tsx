import type { SeekPreview, SubscribeFrom } from 'millrace/client';
import { Confirm } from '../../parts/confirm.js';
import { useAsked } from '../../state/asked.js';
import { client } from '../../state/session.js';
import { dateAndClock } from '../../text/format.js';
import { previewTexts } from './seek-preview-words.js';

/** Asks before a consumer is moved, and says what that would bring again and pass over. */

interface SeekDialogProps {
  readonly name: string;
  /** The same value for as long as the dialog is there. */
  readonly from: SubscribeFrom;
  readonly onClose: () => void;
}

export function SeekDialog({ name, from, onClose }: SeekDialogProps) {
  const preview = useAsked(async () => (await client().consumer(name)).seekPreview(from), from);
  return (
    <Confirm
      title="Move this consumer?"
      action="Move the consumer"
      isReady={preview.kind !== 'waiting'}
      onClose={onClose}
      onConfirm={async () => (await client().consumer(name)).seek(from)}
      field={
        <div role="status" class="preview">
          {preview.kind === 'waiting' && <p>Counting what would change …</p>}
          {preview.kind === 'answered' && <Counts preview={preview.value} />}
          {preview.kind === 'failed' && (
            <p class="fault">What would change could not be counted: {preview.error}</p>
          )}
        </div>
      }
    >
      <b>{name}</b> goes on from {placeText(from)}. Its members lose their leases, and attempts are
      forgotten. The list of dead events stays.
    </Confirm>
  );
}

function Counts({ preview }: { readonly preview: SeekPreview }) {
  return (
    <ul class="named">
      {previewTexts(preview).map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

function placeText(from: SubscribeFrom): string {
  if (typeof from === 'string') return from === 'now' ? 'now' : 'the beginning of the log';
  if ('since' in from) return `what was recorded at or after ${dateAndClock(String(from.since))}`;
  return 'after' in from ? `behind the cursor ${from.after}` : '';
}
