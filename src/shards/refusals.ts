import type { ErrorData } from '../protocol/errors.js';

/**
 * Why a shard refuses a batch of a link's publishes. The shard notes the reason in the ring before it acknowledges the
 * first of them; if its thread dies meanwhile, the successor refuses the rest for the same reason.
 */
export const NOT_REFUSED = 0;
/** The log has no room for the batch. Ephemeral events and repeats of stored events are not refused. */
export const REFUSED_FULL = 1;
/** A `block` subscription has taken nothing for as long as a publish may wait: ephemeral events are refused too. */
export const REFUSED_OVERDUE = 2;
/** A shared log has stored some of the batch, and refused others for themselves. */
export const REFUSED_IN_PART = 3;

export function refusalAfterRestart(reason: number): ErrorData {
  const restarted = 'its shard was restarted while it refused the batch';
  if (reason === REFUSED_OVERDUE) {
    const message = `a block subscription that would get the event takes nothing; ${restarted}`;
    return { code: 'BACKPRESSURE', message };
  }
  return { code: 'STORE_FULL', message: `the store had no room for the event; ${restarted}` };
}

/** For a shared log: the dead thread alone learned which publishes of the batch are stored. */
export function unknownAfterRestart(reason: number): ErrorData {
  const what =
    reason === REFUSED_IN_PART
      ? 'the store has the event, or has refused it'
      : 'the store had no room for the event, or holds it already';
  const message = `${what}; its shard was restarted before it could tell`;
  return { code: 'PUBLISH_UNKNOWN', message };
}

/** For a shared log whose dedupe window may by now have forgotten the event. */
export const UNKNOWN_FOR_TOO_LONG: ErrorData = {
  code: 'PUBLISH_UNKNOWN',
  message:
    'its shard was restarted while the event was being stored, too long ago for the store to tell the outcome',
};
