import { PAYLOAD_SNAPSHOTS_MAX } from '../../../protocol/limits/store.js';
import { isMissingPayload } from '../../directory/payload-files.js';

/**
 * Runs work that reads in a snapshot of its own, and again if it misses a payload's file. Such a file is removed only
 * after its last event, so the next snapshot no longer has the event if it was pruned meanwhile. A file that is missing
 * twice in a row is lost.
 */
export function untilPayloadsAreThere<T>(work: () => T): T {
  let missed: unknown;
  for (let snapshots = 1; ; snapshots++) {
    try {
      return work();
    } catch (error) {
      const file = isMissingPayload(error) ? error.details!.payloadFile : undefined;
      if (file === undefined || file === missed || snapshots >= PAYLOAD_SNAPSHOTS_MAX) throw error;
      missed = file;
    }
  }
}
