import { MIB } from './units.js';

/** Limits of a store on NATS JetStream. */

/** For how long the first thread of a bus waits for a server, and for a stream's leader. */
export const NATS_OPEN_MS = 10_000;
/** How long one question to the server may take before it is asked again. */
export const NATS_REQUEST_MS = 5000;
/** A small question without an answer for so long is asked once more beside the first: nobody may have heard it. */
export const NATS_ASK_AGAIN_MS = 250;
export const NATS_RECONNECT_MS = 250;
/** A server that leaves two pings unanswered is given up, and the next one taken. */
export const NATS_PING_MS = 1000;
/**
 * Questions without an answer for so long are asked again at first, and then after longer, up to `NATS_ANSWER_MS`: a stream whose
 * leader has changed leaves them unanswered, and a slow server needs its time.
 */
export const NATS_FIRST_ANSWER_MS = 500;
/** For how long a server may say of events on their way only that it cannot tell. */
export const NATS_FIND_MS = 30_000;
/** After a question to any replica that had no answer, the leader is asked first for so long. */
export const NATS_SILENT_REPLICA_MS = 10_000;
/** An append without an answer for so long looks whether its events are stored. */
export const NATS_ANSWER_MS = 2000;
/** For how long a stream, or what the nodes have agreed on, has to be missing until it counts as deleted: a server may not know of it yet. */
export const NATS_GONE_MS = 2000;
/** After so long a write of what the nodes agree on has been followed by any other that was under way with it. */
export const NATS_SETTLE_MS = 300;
/** The pause before a step is tried again. */
export const NATS_RETRY_MS = 100;
/** How many events are sent before the answers that came meanwhile are looked at. */
export const NATS_SENT_PER_TURN = 256;
/** The consumer that follows a stream is made anew when it has been silent for three of these. */
export const NATS_HEARTBEAT_MS = 1000;
/** A consumer that is not made after so long may never be: another one is asked for, or events are got one by one. */
export const NATS_CONSUMER_MS = 2000;
/** A stream is followed event by event once its consumer has been missing for so long. */
export const NATS_WITHOUT_CONSUMER_MS = 250;
/** A new leader's clock may be behind the old one's by so much. */
export const NATS_CLOCK_STEP_MS = 1000;
/** How often a stream is asked what it has removed, and a reader asks whether the history is still the same. */
export const NATS_PRUNED_MS = 5000;
/** How long a consumer that reads history lives when nobody reads on. */
export const NATS_READER_MS = 30_000;
/** How many such consumers one thread keeps for each stream, each at its own position. */
export const NATS_READERS_MAX = 8;
/** The most events that one answer brings. */
export const NATS_FETCH_EVENTS = 512;
export const NATS_FETCH_BYTES = 4 * MIB;
/** So few events are got one by one, which takes no consumer. */
export const NATS_GETS_MAX = 64;
/** How many topics one page of a stream's subjects has, by the server. */
export const NATS_TOPICS_PER_PULL = 10_000;
/** By the length of a stream's name, which has a shard's number besides. */
export const NATS_PREFIX_LENGTH_MAX = 64;
