import { lookBack } from '../../../event/look-back.js';
import { readablePatterns } from '../../../state/access.js';
import { type Asked, useAsked } from '../../../state/asked.js';
import { client } from '../../../state/session.js';
import { RECENT_BOUNDS, RECENT_RUNS_MAX } from '../bounds.js';
import { type RecentRun, recentRunsOf } from './recent-runs.js';

/** Runs to choose from, looked up when the screen opens and each time that no run is chosen. */
export function useRecentRuns(isWanted: boolean): Asked<readonly RecentRun[]> {
  const topics = readablePatterns();
  return useAsked(() => recentRuns(topics ?? []), isWanted ? topics : undefined);
}

async function recentRuns(topics: readonly string[]): Promise<readonly RecentRun[]> {
  let runs: readonly RecentRun[] = [];
  const ask = (limit: number) => client().query({ topic: topics, limit, reverse: true });
  for await (const { events } of lookBack(ask, RECENT_BOUNDS)) {
    runs = recentRunsOf(events, RECENT_RUNS_MAX);
    if (runs.length >= RECENT_RUNS_MAX) break;
  }
  return runs;
}
