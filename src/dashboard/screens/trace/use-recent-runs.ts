import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { client, grants } from '../../state/session.js';
import { RECENT_EVENTS_MAX, RECENT_RUNS_MAX } from './bounds.js';
import { type RecentRun, recentRunsOf } from './recent-runs.js';

/** Runs to choose from, looked up when the screen opens and each time that no run is chosen. */
export function useRecentRuns(isWanted: boolean): readonly RecentRun[] {
  const recent = useSignal<readonly RecentRun[]>([]);
  const topics = grants.value?.subscribe;
  const key = JSON.stringify(topics);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says when the grants differ; `recent` stays the same signal.
  useEffect(() => {
    if (!isWanted || topics === undefined) return;
    let isOver = false;
    client()
      .query({
        topic: topics.includes('*') ? ['*'] : topics,
        limit: RECENT_EVENTS_MAX,
        reverse: true,
      })
      .then(
        (events) => {
          if (!isOver) recent.value = recentRunsOf(events, RECENT_RUNS_MAX);
        },
        // Suggestions are a convenience; without them an id is typed.
        () => {},
      );
    return () => {
      isOver = true;
    };
  }, [isWanted, key]);
  return recent.value;
}
