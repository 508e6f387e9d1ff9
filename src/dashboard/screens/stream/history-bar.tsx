import type { ComponentChildren } from 'preact';
import { Icon } from '../../parts/icon.js';
import { client } from '../../state/session.js';
import { whole } from '../../text/format.js';
import type { HistorySearch, HistoryState } from './history.js';
import { ModeButtons } from './mode-buttons.js';

/** Says how far a search through history has come, and ends it or lets it go on. */
export function HistoryBar(props: {
  readonly history: HistorySearch;
  readonly children: ComponentChildren;
}) {
  const { history, children } = props;
  void history.turn.value;
  const { value: state } = history.state;
  const { counts, progress, rows } = history;
  const isSearching = state.kind === 'searching';
  return (
    <div class="tail-bar">
      <ModeButtons isHistory />
      {isSearching && (
        <button type="button" onClick={() => history.cancel()}>
          <Icon name="close" />
          Stop
        </button>
      )}
      {(state.kind === 'stopped' || state.kind === 'failed') && (
        <button type="button" class="primary" onClick={() => history.goOn(client())}>
          <Icon name="play" />
          Go on
        </button>
      )}
      {isSearching && (
        <progress
          aria-label="Searched"
          max={1}
          {...(progress === undefined ? {} : { value: progress })}
        />
      )}
      <span class="tail-state" role="status">
        {stateText(state)}
      </span>
      {children}
      <span class="counts number">
        <b class="matched">{whole(counts.matched)}</b> found in{' '}
        <b class="looked">{whole(counts.looked)}</b> events
        {rows.skipped > 0 && ` · ${whole(rows.skipped)} no longer in the list`}
      </span>
    </div>
  );
}

function stateText(state: HistoryState): string {
  switch (state.kind) {
    case 'searching':
      return 'Searching';
    case 'stopped':
      return state.why === 'full' ? 'Stopped: there may be more' : 'Stopped';
    case 'done':
      return 'All searched';
    default:
      return '';
  }
}
