import { KIB, MIB } from './units.js';

/** Limits of questions and their answers: `request` and `respond`. */

/** How long a request waits for its answer: the default and the longest. */
export const REQUEST_TIMEOUT_MS = 5000;
export const REQUEST_TIMEOUT_MS_MAX = 86_400_000;
/** How many requests of a bus may wait for their answers, and the characters of their payloads together. */
export const REQUESTS_PENDING_MAX = 10_000;
export const REQUESTS_PENDING_LENGTH_MAX = 64 * MIB;
/** As many of them may be of one principal at one gateway, and of their characters. */
export const REQUESTS_PER_PRINCIPAL_MAX = 2000;
export const REQUESTS_LENGTH_PER_PRINCIPAL_MAX = 16 * MIB;
/** How many questions one responder may have in hand. */
export const QUESTIONS_PER_RESPONDER_MAX = 1000;
/** How many responders a bus has, one principal at one gateway, and one connection. */
export const RESPONDERS_MAX = 10_000;
export const RESPONDERS_PER_PRINCIPAL_MAX = 2000;
export const RESPONDERS_PER_CONNECTION_MAX = 128;
/** How many requests of one connection may wait for their answers. */
export const REQUESTS_PER_ASKER_MAX = 1000;
/** For how many topics the bus remembers their responders. */
export const RESPONDER_ROUTES_MAX = 1 * KIB;
/** The characters of a handler's message that the asker is told. */
export const RESPONDER_MESSAGE_LENGTH_MAX = 1024;
