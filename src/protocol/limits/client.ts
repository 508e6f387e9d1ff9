import { PUBLISH_WAIT_MS } from './endpoint.js';
import { KIB, MIB } from './units.js';

/** Limits and defaults of the client and its React hooks. */

/** How many events of one subscription, and how many of their bytes, a client may hold or have on their way. */
export const CLIENT_WINDOW_EVENTS = 4096;
export const CLIENT_WINDOW_BYTES = 4 * MIB;
/** How many published events, and how many of their bytes, may wait in a client for their acks, sent or not. */
export const CLIENT_OUTBOX_EVENTS = 10_000;
export const CLIENT_OUTBOX_BYTES = 16 * MIB;
/**
 * How many frames of these, and how many bytes, may be sent and unanswered; the server reads on below twice as many.
 */
export const CLIENT_PUBLISHES_IN_FLIGHT = 128;
export const CLIENT_PUBLISH_BYTES_IN_FLIGHT = 2 * MIB;
/** A client sends a `publishMany` in frames of about this size. */
export const CLIENT_PUBLISH_FRAME_BYTES = 256 * KIB;
export const CLIENT_PUBLISH_FRAME_EVENTS = 1024;
/** How many queries and the like of one client may wait for their answers. */
export const CLIENT_REQUESTS_MAX = 256;
/** A longer frame from the server ends the connection. */
export const CLIENT_FRAME_BYTES_MAX = 16 * MIB;

export const CLIENT_CONNECT_TIMEOUT_MS = 10_000;
export const CLIENT_REQUEST_TIMEOUT_MS = 30_000;
/** After this much silence a client asks whether the server is there, and waits half as long for the answer. */
export const CLIENT_HEARTBEAT_MS = 20_000;
/** The wait for that answer after a sign that the network has changed. */
export const CLIENT_PROBE_MS = 3000;
export const CLIENT_RECONNECT_BASE_MS = 500;
export const CLIENT_RECONNECT_MAX_MS = 20_000;
export const CLIENT_RECONNECT_FLOOR_MS = 100;
/** Tries in a row without a lasting connection after which a client notifies its `onError`, once. */
export const CLIENT_TRIES_BEFORE_NOTIFIED = 3;
/** After a connection that held this long the attempts are counted from zero again. */
export const CLIENT_STABLE_MS = 5000;
/**
 * A publish is not sent again later than this after it was first sent, as the server's dedupe window may have forgotten
 * its id.
 */
export const CLIENT_RESEND_MS = 110_000;
/**
 * Nor is it sent again later than this before the end of the window that the server announces, as it may wait that long
 * in the server for room.
 */
export const CLIENT_RESEND_MARGIN_MS = PUBLISH_WAIT_MS;
/** A client does not ask for a new token if its token is valid for less than this, as the connection ends first. */
export const TOKEN_RENEWAL_LEAD_MS_MIN = 200;
/** The wait between two tries to subscribe if the server has named none. */
export const CLIENT_SUBSCRIBE_RETRY_MS = 1000;
export const COALESCE_WINDOW_MS_MAX = 60_000;

/** How many events `useSubscription` keeps. */
export const HISTORY_EVENTS = 100;
export const HISTORY_EVENTS_MAX = 100_000;
