import { KIB } from './units.js';

/** Limits and defaults of `webhook`. */

/** How many requests run at once: the default and the most. */
export const WEBHOOK_CONCURRENCY = 8;
export const WEBHOOK_CONCURRENCY_MAX = 256;
/** How long one request may take, from the look-up of the name to the end of the answer: the default and the bounds. */
export const WEBHOOK_TIMEOUT_MS = 15_000;
export const WEBHOOK_TIMEOUT_MS_MIN = 10;
export const WEBHOOK_TIMEOUT_MS_MAX = 600_000;
/** How long a sink that stops lets its requests go on. Shorter than a server's whole stop may take. */
export const WEBHOOK_STOP_MS = 3000;
/** The longest `Retry-After` that is believed: the default and the most. */
export const WEBHOOK_RETRY_AFTER_MS = 3_600_000;
export const WEBHOOK_RETRY_AFTER_MS_MAX = 86_400_000;
/** The bytes of an answer that are read, to use the connection again, and those that are kept with a failure. */
export const WEBHOOK_ANSWER_BYTES_MAX = 64 * KIB;
export const WEBHOOK_EXCERPT_BYTES_MAX = 512;
/** The shortest value of a header that an excerpt does not tell. */
export const WEBHOOK_UNTOLD_LENGTH_MIN = 8;
/** The bytes of an answer's head. */
export const WEBHOOK_HEAD_BYTES_MAX = 16 * KIB;
/**
 * How long a connection without a request is kept, shorter than most servers keep theirs; how many of a host are, and how
 * many of all hosts of a protocol together.
 */
export const WEBHOOK_IDLE_MS = 4000;
export const WEBHOOK_IDLE_SOCKETS_MAX = 64;
export const WEBHOOK_IDLE_SOCKETS_OF_ALL_MAX = 256;
/** How many secrets an endpoint may have at once, and the bytes of the key in one. */
export const WEBHOOK_SECRETS_MAX = 8;
export const WEBHOOK_KEY_BYTES_MIN = 24;
export const WEBHOOK_KEY_BYTES_MAX = 64;
export const WEBHOOK_URL_LENGTH_MAX = 2048;
/** How many headers of its own an endpoint may have, and the characters of one. */
export const WEBHOOK_HEADERS_MAX = 32;
export const WEBHOOK_HEADER_LENGTH_MAX = 4096;
/** How many networks may be allowed. */
export const WEBHOOK_NETWORKS_MAX = 256;
/** Of how many addresses of one name the first ones are tried. */
export const WEBHOOK_ADDRESSES_MAX = 32;
/** How many endpoints that are gone or want a pause are remembered; beyond, the oldest are forgotten. */
export const WEBHOOK_ENDPOINTS_NOTED_MAX = 10_000;
