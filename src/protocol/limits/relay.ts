import { KIB, MIB } from './units.js';

/** Limits of what nodes on one broker say to each other about durable consumers. */

/** A side that has sent nothing for so long says that it lives, ms. */
export const RELAY_ALIVE_MS = 500;
/** A side that was not heard of for so long counts as gone, ms. */
export const RELAY_SILENT_MS = 3000;
/** How often a relay asks the owner to take it in, ms. */
export const RELAY_HELLO_MS = 300;
/** How long the owner keeps the members of a node that is silent, ms. They may come again, with the leases that they hold. */
export const RELAY_GRACE_MS = 3000;
/** The bytes of one endpoint's records that are under way, in each direction; a single record may have any size. */
export const RELAY_WINDOW_BYTES = MIB;
/** The longest piece of records in one message, bytes. */
export const RELAY_PIECE_BYTES = 64 * KIB;

/** The owner renews its claim this often, and the others look at it as often, ms. */
export const OWNER_RENEW_MS = 500;
/** An owner whose claim has not been renewed for so long is replaced, ms. */
export const OWNER_SILENT_MS = 2000;
/** How long a node that could not serve the consumers leaves them to others before it tries again, ms: twice as long each time. */
export const OWNER_GIVEN_UP_MS = 10_000;
export const OWNER_GIVEN_UP_MS_MAX = 300_000;
/** A node that has served the consumers for so long after that begins with the shortest time again, ms. */
export const OWNER_PROVEN_MS = 60_000;
/** How long a call about consumers waits for a node that serves them, ms. */
export const OWNER_CALL_MS = 15_000;
/** How long a bus that closes tries to let its claim go, ms. */
export const OWNER_RELEASE_MS = 1000;
