import { newEpoch } from '../directory/directory.js';
import type { Manifest } from '../directory/manifest.js';
import { examineLog } from './log-state.js';

/**
 * Examines every log, and ends the epoch where something that was shown is gone, or where the directory is a backup.
 * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`
 */
export function continueHistory(dir: string, manifest: Manifest): Manifest {
  const logs = Array.from({ length: manifest.shards }, (_, shard) =>
    examineLog(dir, manifest, shard),
  );
  const { backup } = manifest;
  const losses = logs.flatMap(({ head, loss }, shard) =>
    loss === undefined ? [] : [`shard ${shard} ends at ${head}: ${loss.reason}`],
  );
  if (losses.length === 0 && backup === undefined) return manifest;
  const reason =
    losses.length > 0
      ? `history went back: ${losses.join(', ')}`
      : `opened from a backup of ${backup?.takenAt}`;
  return newEpoch(
    dir,
    manifest,
    reason,
    logs.map(({ head }) => head),
  );
}
