import { useEffect, useMemo, useReducer } from 'preact/hooks';
import { Notice } from '../../parts/notice.js';
import { compileSearch, type EventTest } from '../../search/match.js';
import { parseSearch } from '../../search/parse.js';
import { readablePatterns } from '../../state/access.js';
import { amendOn, place } from '../../state/place.js';
import { client } from '../../state/session.js';
import { FilterBar } from './filter-bar.js';
import { HistorySearch } from './history.js';
import { HistoryBar } from './history-bar.js';
import { MarksLegend } from './marks.js';
import { onNextFrame } from './on-next-frame.js';
import { ReplayLink } from './replay-link.js';
import {
  filterOf,
  fromOf,
  inCategories,
  pausedCursor,
  queryOf,
  type StreamSettings,
  settingsOf,
} from './settings.js';
import { StreamList } from './stream-list.js';
import { Tail } from './tail.js';
import { TailBar } from './tail-bar.js';
import { useConnectionNotes } from './use-connection-notes.js';
import './stream.css';

/** The events as they happen, or those that are stored. All that a person chooses here is in the address. */
export default function Stream() {
  const tail = useMemo(() => new Tail(onNextFrame), []);
  const history = useMemo(() => new HistorySearch(onNextFrame), []);
  const settings = settingsOf(place.value.parameters);
  const granted = readablePatterns();
  const [attempt, restart] = useReducer<number, void>((turn) => turn + 1, 0);
  const key = JSON.stringify([settings, settings.topics.length > 0 || granted, attempt]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when the settings differ.
  useEffect(() => {
    begin(tail, history, settings, granted);
    return () => {
      tail.stop();
      history.stop();
    };
  }, [key]);
  const paused = pausedCursor(place.value.parameters.get('paused'));
  // biome-ignore lint/correctness/useExhaustiveDependencies: here only the place of the pause differs.
  useEffect(() => {
    // The buttons have done it already; an address that was pasted, or gone back to, has not.
    const isBegun = tail.isOn || tail.pausedAt !== undefined;
    if (isBegun && tail.pausedAt !== paused) begin(tail, history, settings, granted);
  }, [paused]);
  useConnectionNotes(tail);
  const { isHistory } = settings;
  const state = isHistory ? history.state.value : tail.state.value;
  const links = (
    <>
      {granted !== undefined && <ReplayLink settings={settings} readable={granted} />}
      <MarksLegend />
    </>
  );
  return (
    <div class="stream">
      <FilterBar settings={settings} />
      {isHistory ? (
        <HistoryBar history={history}>{links}</HistoryBar>
      ) : (
        <TailBar tail={tail}>{links}</TailBar>
      )}
      {state.kind === 'failed' && (
        <Failure reason={state.reason} onRestart={restart} isHistory={isHistory} />
      )}
      {state.kind === 'refused' && <Notice kind="bad">{state.reason}</Notice>}
      <StreamList
        key={isHistory ? 'history' : 'live'}
        view={isHistory ? history : tail}
        empty={emptyText(state.kind)}
      />
    </div>
  );
}

/** `granted`: the patterns that the principal may read; they stand in where the address names no topic. */
function begin(
  tail: Tail,
  history: HistorySearch,
  settings: StreamSettings,
  granted: readonly string[] | undefined,
): void {
  if (settings.topics.length === 0 && granted === undefined) return;
  const topics = granted ?? [];
  const { search, categories } = settings;
  let matches: EventTest | undefined;
  try {
    const parsed = parseSearch(search);
    if (parsed !== undefined) matches = compileSearch(parsed);
  } catch {
    // The field of the search says what is wrong.
    (settings.isHistory ? history : tail).refuse('The search cannot be read.');
    return;
  }
  if (!settings.isHistory) {
    beginTail(tail, settings, topics, matches);
    return;
  }
  const query = queryOf(settings, topics);
  history.start(client(), {
    query,
    matches: (event) => inCategories(categories, event) && (matches?.(event) ?? true),
  });
}

function beginTail(
  tail: Tail,
  settings: StreamSettings,
  topics: readonly string[],
  matches: EventTest | undefined,
): void {
  const from = fromOf(settings.from);
  if (from === undefined) {
    tail.refuse(`"${settings.from}" is no place to begin from.`);
    return;
  }
  const filter = filterOf(settings, topics);
  const options = matches === undefined ? { filter, from } : { filter, from, matches };
  const paused = pausedCursor(place.peek().parameters.get('paused'));
  if (paused === undefined) tail.start(client(), options);
  else tail.startPaused(options, paused);
}

const EMPTY = {
  idle: 'Loading …',
  starting: 'Waiting for the server …',
  live: 'No event has matched yet. New ones appear here by themselves.',
  paused: 'Paused. “Go on” shows the events from this place on.',
  failed: '',
  refused: '',
  searching: 'Nothing found yet.',
  stopped: 'Nothing found so far. “Go on” searches the rest.',
  done: 'No stored event matches.',
} as const;

function emptyText(kind: keyof typeof EMPTY): string {
  return EMPTY[kind];
}

interface FailureProps {
  readonly reason: string;
  readonly isHistory: boolean;
  readonly onRestart: () => void;
}

function Failure({ reason, isHistory, onRestart }: FailureProps) {
  const restart = (from: string) => (): void => {
    amendOn('stream', { from, paused: undefined });
    onRestart();
  };
  return (
    <Notice kind="bad">
      <div class="row">
        <span>{reason}</span>
        {isHistory ? (
          <button type="button" onClick={onRestart}>
            Search again
          </button>
        ) : (
          <>
            <button type="button" onClick={restart('now')}>
              Start from now
            </button>
            <button type="button" onClick={restart('earliest')}>
              Start from the beginning
            </button>
          </>
        )}
      </div>
    </Notice>
  );
}
