import { verifyDirectory } from '../../dist/store/upkeep/verify.js';
import { described } from './observation.js';
import { observeBus } from './observe-bus.js';
import { observeLogs } from './observe-logs.js';

/**
 * Observes a directory: the errors that `verify` finds, whether it opens, and the result of each way of reading, shard
 * by shard, as keys that contain an event's sequence and a checksum of its content.
 */
export async function observe({ dir, depth, cursor }) {
  const verify = verified(dir);
  try {
    const seen = depth === 'bus' ? await observeBus(dir, cursor) : observeLogs(dir);
    return { verify, ...seen };
  } catch (error) {
    return { verify, refused: described(error) };
  }
}

function verified(dir) {
  const found = [];
  try {
    for (const { severity, file, message } of verifyDirectory(dir)) {
      if (severity === 'error') found.push(`${file.split('/').at(-1)}: ${message}`);
    }
  } catch (error) {
    found.push(described(error));
  }
  return found;
}
