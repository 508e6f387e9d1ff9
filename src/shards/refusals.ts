import type { ErrorData } from '../protocol/errors.js';

/**
 * Why a shard refuses a batch of a link's publishes. It is noted in the ring before the first of them is told, so that a
 * successor of a thread that dies meanwhile tells the rest the same.
 */
export const NOT_REFUSED = 0;
/** The log has no room for what is to be stored; repeats of what is stored are not refused. */
export const REFUSED_FULL = 1;
/** A `block` subscription has taken nothing for as long as a publish may wait: ephemeral events are refused too. */
export const REFUSED_OVERDUE = 2;

export function refusalAfterRestart(reason: number): ErrorData {
  const restarted = 'its shard was restarted while it said so';
  if (reason === REFUSED_OVERDUE) {
    const message = `a block subscription that would get it takes nothing; ${restarted}`;
    return { code: 'BACKPRESSURE', message };
  }
  return { code: 'STORE_FULL', message: `there was no room for it; ${restarted}` };
}

/** Of a shared log, which has not told this thread what repeats a stored event and was not refused. */
export const UNKNOWN_AFTER_RESTART: ErrorData = {
  code: 'PUBLISH_UNKNOWN',
  message:
    'there was no room for it, unless it is stored already; its shard was restarted while it said which',
};

/** Of a shared log, which may have forgotten by now that it has it. */
export const UNKNOWN_FOR_TOO_LONG: ErrorData = {
  code: 'PUBLISH_UNKNOWN',
  message:
    'its shard was restarted while it was being stored, and too long ago for the store to tell whether it was',
};
