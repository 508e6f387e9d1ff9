import { MIB } from './units.js';

/** Limits and defaults of `forward`. */

/** How many events a sink holds at once: the default and the most. */
export const FORWARD_CONCURRENCY = 256;
export const FORWARD_CONCURRENCY_MAX = 4096;
/** How many events go to the other bus in one call, and the bytes of their payloads. */
export const FORWARD_BATCH_EVENTS_MAX = 512;
export const FORWARD_BATCH_BYTES_MAX = 4 * MIB;
/** How many events are looked up or published singly at the same time. */
export const FORWARD_SINGLES_AT_ONCE = 16;
/** How long a sink that stops waits for the other bus. Shorter than a server's whole stop may take. */
export const FORWARD_STOP_MS = 3000;
/** Through how many buses an event may go; its attribute has room for their names. */
export const FORWARD_HOPS_MAX = 15;
export const FORWARD_NAME_LENGTH_MAX = 64;
/** How long a sink waits for a broker: for a connection, and for each answer. */
export const FORWARD_ANSWER_MS = 5000;
