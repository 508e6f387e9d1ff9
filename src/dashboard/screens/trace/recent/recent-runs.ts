import type { Event } from 'millrace/client';

/** The runs of which the newest events of the log tell. Pure. */
export interface RecentRun {
  readonly correlationId: string;
  /** Of its newest event. */
  readonly type: string;
  readonly timestamp: string;
}

/** `events`: newest first. */
export function recentRunsOf(events: readonly Event[], runsMax: number): readonly RecentRun[] {
  const runs = new Map<string, RecentRun>();
  for (const { correlationId, type, timestamp } of events) {
    if (correlationId === undefined || runs.has(correlationId)) continue;
    if (runs.size >= runsMax) break;
    runs.set(correlationId, { correlationId, type, timestamp });
  }
  return [...runs.values()];
}
