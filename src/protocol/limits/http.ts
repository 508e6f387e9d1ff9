import { KIB, MIB } from './units.js';
import { WEBSOCKET_FRAME_BYTES_MAX } from './websocket.js';

/** Limits of the HTTP door: bodies, answers, parameters, event streams. */

/** The size of an HTTP body that is read as a whole, and of all such bodies that a gateway holds at a time. */
export const HTTP_BODY_BYTES_MAX = 8 * MIB;
export const HTTP_BODIES_BYTES_MAX = 128 * MIB;
/** The size of all such bodies of one principal, or of one address without a token. */
export const HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX = 32 * MIB;
/** The size of one line of an NDJSON body. */
export const HTTP_LINE_BYTES_MAX = WEBSOCKET_FRAME_BYTES_MAX;
/** How many events of an NDJSON body are published at once; as many may wait behind them. */
export const HTTP_LINES_PER_BATCH_MAX = 1024;
export const HTTP_LINES_BATCH_BYTES_MAX = 1 * MIB;
/** A body is given up if nothing of it arrives for this long. */
export const HTTP_BODY_IDLE_MS = 30_000;
/** A body that is read as a whole must arrive within this time. */
export const HTTP_BODY_MS_MAX = 300_000;
/** A client that goes on sending a body that is not read any more gets this long to take its answer. */
export const HTTP_LINGER_MS = 5000;

/** A list up to this size is sent with its length and its cursor in front. */
export const HTTP_ANSWER_HELD_BYTES_MAX = 1 * MIB;
/** The length of a request's query string, and the number of its parameters. */
export const HTTP_QUERY_LENGTH_MAX = 12 * KIB;
export const HTTP_PARAMETERS_MAX = 1024;
/** Levels of a JSON body around an event's payload: array, event, and a level of CloudEvents. */
export const HTTP_ENVELOPE_DEPTH = 3;
/**
 * Longer than proxies keep an idle connection (mostly 60 s), so that no connection is closed just as a proxy uses it
 * again.
 */
export const HTTP_KEEP_ALIVE_MS = 75_000;

/** Proxies cut a connection that is silent for a minute or less. */
export const SSE_HEARTBEAT_MS = 15_000;
/**
 * How long a browser is told to wait before it connects again. A random share of as much again is added, so that not
 * all come at once.
 */
export const SSE_RETRY_MS = 2000;
