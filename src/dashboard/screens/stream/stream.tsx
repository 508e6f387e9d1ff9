import { useEffect, useMemo, useReducer } from 'preact/hooks';
import { Notice } from '../../parts/notice.js';
import { amend, place } from '../../state/place.js';
import { client, grants } from '../../state/session.js';
import { FilterBar } from './filter-bar.js';
import { filterOf, fromOf, type StreamSettings, settingsOf } from './settings.js';
import { StreamList } from './stream-list.js';
import { Tail } from './tail.js';
import { TailBar } from './tail-bar.js';
import { useConnectionNotes } from './use-connection-notes.js';
import './stream.css';

/** The events as they happen. All that a person chooses here is in the address. */
export default function Stream() {
  const tail = useMemo(() => new Tail(), []);
  const settings = settingsOf(place.value.parameters);
  const topics = grants.value?.subscribe;
  const [attempt, again] = useReducer<number, void>((turn) => turn + 1, 0);
  const key = JSON.stringify([settings, settings.topics.length > 0 ? undefined : topics, attempt]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when the settings differ.
  useEffect(() => {
    begin(tail, settings, topics);
    return () => tail.stop();
  }, [key]);
  useConnectionNotes(tail);
  const { value: state } = tail.state;
  return (
    <div class="stream">
      <FilterBar settings={settings} />
      <TailBar tail={tail} />
      {state.kind === 'failed' && <Failure reason={state.reason} onRestart={again} />}
      <StreamList tail={tail} />
    </div>
  );
}

/** `granted`: the patterns that the principal may read; they stand in where the address names no topic. */
function begin(tail: Tail, settings: StreamSettings, granted: readonly string[] | undefined): void {
  if (settings.topics.length === 0 && granted === undefined) return;
  const from = fromOf(settings.from);
  if (from === undefined) {
    tail.refuse(`"${settings.from}" is no place to begin from.`);
    return;
  }
  const isAll = granted === undefined || granted.includes('*');
  const options = { filter: filterOf(settings, isAll ? ['*'] : granted), from };
  const paused = place.peek().parameters.get('paused');
  if (paused === null) tail.start(client(), options);
  else tail.startPaused(options, paused);
}

interface FailureProps {
  readonly reason: string;
  readonly onRestart: () => void;
}

function Failure({ reason, onRestart }: FailureProps) {
  const restart = (from: string) => (): void => {
    amend({ from, paused: undefined });
    onRestart();
  };
  return (
    <Notice kind="bad">
      <div class="row">
        <span>{reason}</span>
        <button type="button" onClick={restart('now')}>
          Start from now
        </button>
        <button type="button" onClick={restart('earliest')}>
          Start from the beginning
        </button>
      </div>
    </Notice>
  );
}
