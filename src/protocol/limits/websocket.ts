import { TOKEN_LENGTH_MAX } from './auth.js';
import { KIB, MIB } from './units.js';

/** Limits of the WebSocket door: frames, requests, tokens renewed, closes. */

export const WEBSOCKET_FRAME_BYTES_MAX = 1 * MIB + 64 * KIB;
/**
 * The bytes of messages that have come in part, for one principal: so many connections as whole messages fit into them
 * may go on with one at a time. Up to the second figure a part counts for nothing.
 */
export const MESSAGE_PARTS_PER_PRINCIPAL_BYTES_MAX = 32 * MIB;
export const MESSAGE_PART_BYTES_FREE = 64 * KIB;
/**
 * How many bytes of messages a connection may have that were inflated and wait for their turn: alone, and while its
 * principal holds all the bytes that it may. Beyond it is cut.
 */
export const MESSAGES_HELD_BYTES_MAX = 16 * MIB;
export const MESSAGES_HELD_PRESSED_BYTES_MAX = 2 * MIB;
/** A message must arrive within this time. */
export const MESSAGE_MS_MAX = 300_000;
/** Levels of a frame around an event's payload: frame, payload, events, event. */
export const FRAME_ENVELOPE_DEPTH = 4;
/** The first frame holds a token and little else. */
export const AUTHENTICATE_FRAME_BYTES_MAX = TOKEN_LENGTH_MAX + KIB;
export const EVENTS_PER_FRAME_MAX = 256;
export const EVENTS_FRAME_BYTES_MAX = 256 * KIB;
/** A long answer (events, topics) is sent in several frames of about this size. */
export const RESULT_FRAME_BYTES_MAX = 1 * MIB;
/** How many frames, and lists of events, the gateway's connections share within one turn of its event loop. */
export const SHARED_FRAMES_PER_TURN_MAX = 256;

/**
 * How many requests of one connection, and how many of their bytes, may wait for their answers; at the limit the
 * connection is not read from.
 */
export const REQUESTS_PER_CONNECTION_MAX = 256;
export const REQUESTS_BYTES_PER_CONNECTION_MAX = 4 * MIB;
export const REQUEST_ID_LENGTH_MAX = 128;
/** How many new tokens a second are checked on an open connection. An honest client sends one in minutes. */
export const RENEWALS_PER_SECOND = 4;
/** How many of these may wait for the check of the one before. */
export const RENEWALS_WAITING_MAX = 8;
/** How long a client may take to answer the server's close frame. */
export const CLOSE_HANDSHAKE_MS = 5000;
/** How many samples of figures one frame holds. */
export const FIGURE_SAMPLES_PER_FRAME = 100;
