/** Limits of a mirror. */

/** How many events wait for the local log before the remote subscription has to wait. */
export const MIRROR_BUFFER_EVENTS = 1024;
/** How often the position is written, ms: what came since comes again after a crash, and is left out. */
export const MIRROR_POSITION_MS = 1000;
/** For how long the outbox keeps an event that the remote bus has, ms. */
export const MIRROR_OUTBOX_KEPT_MS = 60_000;
/** How often the remote bus may refuse an event for want of a grant before it is dead. */
export const MIRROR_ATTEMPTS_MAX = 1000;
