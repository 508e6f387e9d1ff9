import { newEpoch } from '../directory/directory.js';
import type { Manifest } from '../directory/manifest.js';
import { examineLog } from './log-state.js';

/**
 * Examines every log. Ends the epoch if events that readers saw are lost, or if the directory is a backup.
 * @returns the manifest to go on with
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
