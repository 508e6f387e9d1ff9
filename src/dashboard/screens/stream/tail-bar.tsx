import type { ComponentChildren } from 'preact';
import { Icon } from '../../parts/icon.js';
import { amend } from '../../state/place.js';
import { client, isConnected } from '../../state/session.js';
import { counted, whole } from '../../text/format.js';
import { ModeButtons } from './mode-buttons.js';
import { pausedText } from './settings.js';
import type { Tail, TailState } from './tail.js';

/** Pauses the stream, and says how it stands. */
export function TailBar(props: { readonly tail: Tail; readonly children: ComponentChildren }) {
  const { tail, children } = props;
  const { value: state } = tail.state;
  const isPaused = state.kind === 'paused';
  const pause = (): void => amend({ paused: pausedText(tail.pause()) });
  const resume = (isFromNow: boolean) => (): void => {
    tail.resume(client(), isFromNow);
    amend({ paused: undefined });
  };
  return (
    <div class="tail-bar">
      <ModeButtons isHistory={false} />
      {isPaused ? (
        <>
          <button type="button" class="primary" onClick={resume(false)}>
            <Icon name="play" />
            Go on
          </button>
          <button type="button" onClick={resume(true)}>
            Go on from now
          </button>
        </>
      ) : (
        <button type="button" onClick={pause} disabled={!tail.isOn}>
          <Icon name="pause" />
          Pause
        </button>
      )}
      <span class="tail-state" role="status">
        {stateText(state, isConnected.value)}
      </span>
      {children}
      <Counts tail={tail} />
    </div>
  );
}

function Counts({ tail }: { readonly tail: Tail }) {
  void tail.turn.value;
  const { rows, counts } = tail;
  return (
    <span class="counts number">
      <b class="matched">{whole(counts.matched)}</b> events
      {counts.matched < counts.looked && ` of ${whole(counts.looked)}`}
      {rows.skipped > 0 && (
        <span title="The list keeps the newest rows and lets the oldest go. The bus has lost nothing.">
          {' · '}
          <b class="skipped">{whole(rows.skipped)}</b> older ones no longer in the list
        </span>
      )}
      {counts.missed > 0 && ` · ${counted(counts.missed, 'ephemeral one')} did not come here`}
    </span>
  );
}

function stateText(state: TailState, connected: boolean): string {
  if (state.kind === 'paused') return 'Paused';
  if (state.kind === 'failed' || state.kind === 'refused') return 'Ended';
  if (!connected) return 'Waiting for the server';
  if (state.kind === 'live') return 'Live';
  return state.kind === 'idle' ? '' : 'Reading history';
}
