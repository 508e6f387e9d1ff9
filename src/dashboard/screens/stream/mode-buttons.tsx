import { amend } from '../../state/place.js';

/** Changes between what happens and what is stored. */
export function ModeButtons({ isHistory }: { readonly isHistory: boolean }) {
  return (
    <fieldset class="modes" aria-label="Events">
      <button type="button" aria-pressed={!isHistory} onClick={() => amend({ in: undefined })}>
        Live
      </button>
      <button
        type="button"
        aria-pressed={isHistory}
        onClick={() => amend({ in: 'history', paused: undefined })}
      >
        History
      </button>
    </fieldset>
  );
}
