import { KIB, MIB } from './units.js';

/** Limits of a gateway: its threads, its connections, its certificates, and the texts that its clients share. */

export const GATEWAY_THREADS_MAX = 16;
/**
 * How often a gateway's thread is started without progress in between before it is given up, and the longest wait
 * between two starts: an outside cause of its death may last for a while.
 */
export const GATEWAY_RESTARTS_MAX = 12;
export const GATEWAY_RESTART_WAIT_MS_MAX = 5000;
/** A restarted gateway waits this long for its port, which its predecessor may not have released yet. */
export const GATEWAY_REBIND_MS = 5000;
/**
 * How often a gateway reports that its loop turns; after how long without a report it is not ready, and after how long
 * it is replaced.
 */
export const GATEWAY_TURN_MS = 1000;
export const GATEWAY_STALLED_SECONDS = 5;
export const GATEWAY_HUNG_MS = 30_000;
/** How long a closing gateway waits for requests in flight, and then for the clients' close frames. */
export const GATEWAY_DRAIN_MS = 2000;
export const GATEWAY_GOODBYE_MS = 500;

export const CONNECTIONS_MAX = 10_000;
export const CONNECTIONS_PER_ADDRESS_MAX = 256;
/** How many TCP connections there may be beside the WebSockets: probes, and upgrades under way or refused. */
export const PLAIN_CONNECTIONS_MAX = 1024;
/** How many more may be open for a moment, since a socket that is cut is not closed at once. */
export const CLOSING_CONNECTIONS_MAX = 256;
/** How many of them one address may have. */
export const PLAIN_CONNECTIONS_PER_ADDRESS_MAX = 64;
/** For one address, if the server can be reached from other machines. */
export const CONNECTS_PER_SECOND = 100;
export const FAILED_SIGN_INS_PER_SECOND = 100;
/** Acts of an administrator, for one principal on one gateway: some of them write files, or ask all gateways. */
export const ADMINISTRATIONS_PER_SECOND = 20;
/** For how many addresses the rates are remembered; beyond that, the one unseen longest starts afresh. */
export const ADDRESSES_RATED_MAX = 10_000;
export const ALLOWED_NAMES_MAX = 1024;
/** The longest name of an environment, in characters: it has to fit beside the title of a page. */
export const ENVIRONMENT_LENGTH_MAX = 32;

/** How many WebSockets may be unauthenticated, in all and from one address, and how long they may stay so. */
export const UNAUTHENTICATED_CONNECTIONS_MAX = 1024;
export const UNAUTHENTICATED_PER_ADDRESS_MAX = 64;
export const AUTHENTICATE_MS = 10_000;
/** How many refused pages at once get the reason over a WebSocket, and how long each of these reports may take. */
export const REFUSALS_REPORTED_MAX = 64;
export const REFUSAL_REPORT_MS = 1000;

export const CONNECTION_OUTBOUND_BYTES_MAX = 1 * MIB;
export const CONNECTION_STALL_MS = 10_000;
/**
 * A client whose outbound buffer is full and that takes less than this over the time above is cut, as it holds memory
 * that others need.
 */
export const DRAIN_BYTES_PER_SECOND_MIN = 4096;
/** While the principal or the gateway is over its bytes, a client with more than this waiting counts as congested. */
export const PRESSED_OUTBOUND_BYTES_MAX = 64 * KIB;
export const HEARTBEAT_MS = 30_000;
export const HEARTBEATS_MISSED_MAX = 2;

/** How often certificates and keys are checked in case the file system does not report changes. */
export const TLS_POLL_MS = 60_000;
export const TLS_SETTLE_MS = 200;
export const TLS_FILE_BYTES_MAX = 1 * MIB;

/** How many cursors a gateway keeps as text: the positions of one turn. */
export const CURSOR_TEXTS_MAX = 1024;
/** The gateway keeps the JSON text of this many events for its other connections, if not over this long. */
export const EVENT_TEXTS_MAX = 4096;
export const EVENT_TEXT_LENGTH_MAX = 16 * KIB;
/** How many texts of events are kept for a principal that gets them masked. */
export const REDACTED_TEXTS_MAX = 64;
/** A list of up to this many topics is sorted; a longer one is sent in the order in which it is found. */
export const TOPICS_SORTED_MAX = 10_000;
/**
 * How long the main thread waits for each gateway's list of connections, and how long a gateway waits for the main
 * thread.
 */
export const GATEWAY_ANSWER_MS = 2000;
export const GATEWAYS_ANSWER_MS = 3000;
/** The characters of a client's `User-Agent` that are kept. */
export const USER_AGENT_LENGTH_MAX = 256;
/** The time between two samples of a gateway's figures, and how many it keeps: those of 15 minutes. */
export const FIGURES_EVERY_MS = 2000;
export const FIGURE_SAMPLES_MAX = 450;
