/**
 * Publishes of a shared log that a dead thread of the shard had read, and that the log cannot say whether it stored: they
 * are taken again, and the log's dedupe window keeps them from being stored twice. Only the shard's loop calls this.
 */
import { SHARED_DEDUPE_MARGIN_MS } from '../protocol/limits/store.js';
import { elapsedWithSleepMs } from '../threads/elapsed.js';
import type { ShardEnd } from './shard-end.js';

/** True if the publish that is being read from the link's ring is one of those. */
export function isTakenAgain({ publishRing, takesAgainUntil }: ShardEnd): boolean {
  return takesAgainUntil !== undefined && ((publishRing.position - takesAgainUntil) | 0) < 0;
}

/**
 * True if an event that the dead thread appended may leave the dedupe window, of `reachMs`, before it is appended
 * again.
 */
export function mayBeForgotten({ publishRing }: ShardEnd, reachMs: number): boolean {
  const ageMs = elapsedWithSleepMs() - publishRing.markedAt;
  return ageMs + SHARED_DEDUPE_MARGIN_MS > reachMs;
}

/**
 * Notes when the batch was read first. A batch with publishes that a dead thread had read keeps that thread's time.
 */
export function noteTaken(link: ShardEnd): void {
  const { takesAgainUntil, publishRing } = link;
  if (takesAgainUntil === undefined) publishRing.markedAt = elapsedWithSleepMs();
  else if (((publishRing.position - takesAgainUntil) | 0) >= 0) link.takesAgainUntil = undefined;
}
