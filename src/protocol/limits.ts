/** The named bounds of queues, rings, batches, payloads and loops. Names end in their units. */

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest wait of a timer, 24 days. A timer set to more fires at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

export const TOPIC_BYTES_MAX = 255;
export const TOPIC_SEGMENTS_MAX = 16;
export const EVENT_ID_LENGTH_MAX = 64;
/** For `type`, `source` and `correlationId`, in bytes of UTF-8. */
export const EVENT_NAME_BYTES_MAX = 255;
export const ATTRIBUTES_MAX = 16;
export const ATTRIBUTE_KEY_BYTES_MAX = 64;
export const ATTRIBUTE_VALUE_BYTES_MAX = 1024;
export const PAYLOAD_BYTES_MAX = 1 * MIB;
export const JSON_DEPTH_MAX = 64;

export const PATTERNS_PER_FILTER_MAX = 1024;
export const FILTER_VALUES_MAX = 1024;

export const SHARDS_MAX = 16;
/** The size of a publish ring and of a delivery ring; there is one of each per endpoint and shard. */
export const RING_BYTES = 4 * MIB;
export const RING_BYTES_MIN = 4 * KIB;
export const RING_BYTES_MAX = 256 * MIB;
/**
 * The ring for subscribe, update, credit and requests. They are small and rare, and with their own ring never wait
 * behind publishes.
 */
export const CONTROL_RING_BYTES = 256 * KIB;
/** A record larger than one part in this many of its ring travels in a shared buffer of its own. */
export const RING_RECORD_SHARE = 8;

/** The largest `last` in `from: { last }`. */
export const SUBSCRIBE_LAST_MAX = 1_000_000;
export const SUBSCRIBER_BUFFER_EVENTS = 1000;
export const SUBSCRIBER_BUFFER_EVENTS_MAX = 1_000_000;
/** The bytes that one subscriber's queue in one shard may hold, whatever `maxBuffer` is. */
export const SUBSCRIBER_BUFFER_BYTES_MAX = 16 * MIB;
/**
 * How many events, and how many of their bytes, a shard may send to a subscription ahead of their consumption. At least
 * four full batches, or a subscriber that keeps up would count as slow whenever a batch comes at once; and a multiple
 * of the subscription's own buffer.
 */
export const CREDIT_EVENTS = 16_384;
export const CREDIT_PER_BUFFERED_EVENT = 16;
export const CREDIT_BYTES = 8 * MIB;

export const COMMIT_BATCH_EVENTS = 4096;
/** How many topics without events a shard still knows by name, to tell which topics' events may be missing in a gap. */
export const EMPTIED_TOPICS_KEPT = 10_000;
/** The most room on the disk that each shard reserves for removals: a checkpoint's worth of its log and a batch. */
export const RESERVE_BYTES_MAX = 8 * MIB;
export const COMMIT_BATCH_BYTES = 4 * MIB;

export const DEDUPE_WINDOW_MS = 120_000;
/**
 * How many ids given by publishers a shard remembers within that time: 16,600 a second, 84 MB in all. Beyond that, the
 * oldest is forgotten early, and clients are informed of how far back the window reaches.
 */
export const DEDUPE_IDS_MAX = 2_000_000;
/**
 * A store in which only the ids show which events a dead thread has stored remembers them for at least this long; the
 * thread's successor starts within it.
 */
export const SHARED_DEDUPE_WINDOW_MS_MIN = 30_000;
/** An event is not handed to such a store again if less than this is left of the window. */
export const SHARED_DEDUPE_MARGIN_MS = 5000;

/** A wall clock that moves by more than this against the monotonic clock was set. */
export const CLOCK_STEP_MS = 1000;
/** A clock that was set forward is trusted once it has stayed there for this long. */
export const CLOCK_CONFIRM_MS = 60_000;
/** For this long after such a step, deletion by age goes by the time before the step. */
export const CLOCK_CAUTION_MS = 600_000;
/** While the wall clock is behind the last recorded time, recorded time passes this many times slower. */
export const CLOCK_CATCH_UP_DIVISOR = 10;

export const PUBLISH_WAIT_MS = 10_000;
/** How many publishes of one endpoint may wait for room in one shard's ring, and how many bytes of them. */
export const PUBLISH_WAITERS_MAX = 65_536;
export const PUBLISH_WAITERS_BYTES_MAX = 64 * MIB;
export const PUBLISH_MANY_MAX = 65_536;

export const QUERY_LIMIT = 100;
export const QUERY_LIMIT_MAX = 10_000;
/** How many threads read history, while a worker or gateway is attached or a read is under way. */
export const READER_THREADS = 2;
export const READ_PAGE_EVENTS = 512;
export const READ_PAGE_BYTES = 1 * MIB;

/** A subscription further behind than this reads history from the reader threads, not the shard. */
export const SHARD_CATCH_UP_EVENTS_MAX = 4096;

export const WEBSOCKET_FRAME_BYTES_MAX = 1 * MIB + 64 * KIB;
export const CONNECTION_OUTBOUND_BYTES_MAX = 1 * MIB;
export const CONNECTION_STALL_MS = 10_000;
/**
 * A client whose outbound buffer is full and that takes less than this over the time above is cut, as it holds memory
 * that others need.
 */
export const DRAIN_BYTES_PER_SECOND_MIN = 4096;
/**
 * The bytes of history and of socket buffers that a gateway may hold: for one connection, for one principal (without a
 * token: for one address), and in all. At any of these limits history is read no further until clients have taken some.
 */
export const HELD_BYTES_PER_CONNECTION_MAX = 16 * MIB;
export const HELD_BYTES_PER_PRINCIPAL_MAX = 128 * MIB;
export const HELD_BYTES_MAX = 512 * MIB;
/** While the principal or the gateway is over its bytes, a client with more than this waiting counts as congested. */
export const PRESSED_OUTBOUND_BYTES_MAX = 64 * KIB;
/**
 * The credit in bytes of a client's subscriptions in a shard, shared by those of one connection, but at least the
 * minimum for each.
 */
export const CLIENT_CREDIT_BYTES = 2 * MIB;
export const CLIENT_CREDIT_BYTES_MIN = 64 * KIB;
/** How many reads of the log a gateway has under way; principals take turns. */
export const READS_AT_ONCE_MAX = 8;
/**
 * How many queries and lists run at once: of one connection, of one principal and in all. Others wait for their turns.
 */
export const QUERIES_PER_CONNECTION_MAX = 8;
export const QUERIES_PER_PRINCIPAL_MAX = 32;
export const QUERIES_AT_ONCE_MAX = 128;
/** How many queries and lists of one principal may wait; more are refused. */
export const QUERIES_WAITING_PER_PRINCIPAL_MAX = 1024;
/** For one principal over all its connections, or for one address without a token. */
export const SUBSCRIPTIONS_PER_PRINCIPAL_MAX = 32_768;
/**
 * How many patterns all subscriptions of one connection, and of one principal, may have. Every shard keeps each of
 * them.
 */
export const PATTERNS_PER_CONNECTION_MAX = 8192;
export const PATTERNS_PER_PRINCIPAL_MAX = 262_144;
export const CONNECTIONS_MAX = 10_000;
export const CONNECTIONS_PER_ADDRESS_MAX = 256;
/** How many TCP connections there may be beside the WebSockets: probes, and upgrades under way or refused. */
export const PLAIN_CONNECTIONS_MAX = 1024;
/** How many of them one address may have. */
export const PLAIN_CONNECTIONS_PER_ADDRESS_MAX = 64;
export const SUBSCRIPTIONS_PER_CONNECTION_MAX = 128;
export const HEARTBEAT_MS = 30_000;
export const HEARTBEATS_MISSED_MAX = 2;
export const EVENTS_PER_FRAME_MAX = 256;
export const EVENTS_FRAME_BYTES_MAX = 256 * KIB;
/**
 * How many requests of one connection, and how many of their bytes, may wait for their answers; at the limit the
 * connection is not read from.
 */
export const REQUESTS_PER_CONNECTION_MAX = 256;
export const REQUESTS_BYTES_PER_CONNECTION_MAX = 4 * MIB;
/** A long answer (events, topics) is sent in several frames of about this size. */
export const RESULT_FRAME_BYTES_MAX = 1 * MIB;
export const REQUEST_ID_LENGTH_MAX = 128;
/** Characters of a subscription's name: on the bus, in the client and in a frame. */
export const SUBSCRIPTION_NAME_LENGTH_MAX = 255;
/** Levels of a frame around an event's payload: frame, payload, events, event. */
export const FRAME_ENVELOPE_DEPTH = 4;
/** How many cursors a gateway keeps as text: the positions of one turn. */
export const CURSOR_TEXTS_MAX = 1024;
/** The gateway keeps the JSON text of this many events for its other connections, if not over this long. */
export const EVENT_TEXTS_MAX = 4096;
export const EVENT_TEXT_LENGTH_MAX = 16 * KIB;
/** How long a closing gateway waits for requests in flight, and then for the clients' close frames. */
export const GATEWAY_DRAIN_MS = 2000;
export const GATEWAY_GOODBYE_MS = 500;

/** The bytes of a sender's records that travel in buffers of their own; a single record may have any size. */
export const LARGE_RECORD_BYTES_IN_FLIGHT_MAX = 64 * MIB;

export const EPOCH_LENGTH_MAX = 64;
/** Room for the longest epoch and a position of every shard, in base64url. */
export const CURSOR_LENGTH_MAX = 320;

/** For how many topics an endpoint remembers the definitions (`defineTopic`). */
export const TOPIC_DEFINITION_CACHE_TOPICS = 4096;
/** For how many topics a shard remembers the matching subscriptions. */
export const TOPIC_MATCHES_TOPICS = 65_536;
/** How many subscriptions it remembers over all those topics, eight bytes each. */
export const TOPIC_MATCHES_VALUES = 4 * MIB;
/** How many changes of patterns a shard remembers, to tell which topics they concern. */
export const PATTERN_CHANGES_KEPT = 16;

/**
 * How much one turn of a shard's loop does for subscribers that are behind: queued events sent, and events read from
 * the log.
 */
export const LIVE_FEED_EVENTS_PER_TURN = 4096;
export const CATCH_UP_EVENTS_PER_TURN = 512;
export const CATCH_UP_EVENTS_PER_STEP = 128;
export const CATCH_UP_BYTES_PER_STEP = 256 * KIB;
/** A list of up to this many topics is sorted; a longer one is sent in the order in which it is found. */
export const TOPICS_SORTED_MAX = 10_000;
/** How many topics a shard examines for one answer. */
export const TOPICS_PER_REPLY = 1024;
/** How many subscribers, and characters of their patterns, one answer of a shard holds. */
export const SUBSCRIBERS_PER_REPLY = 256;
export const SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY = 256 * KIB;
/**
 * How many topics and subscribers a shard examines in one turn for all requests together; the last answer may exceed
 * it.
 */
export const ANSWERED_PER_TURN = 4096;
/** How many topics are examined in one step of finding out what a pruned part of the history means to a subscriber. */
export const GAP_TOPICS_PER_STEP = 1024;
/** How often a shard's thread is started without progress in between before the bus gives it up. */
export const SHARD_RESTARTS_MAX = 5;
/**
 * The same for a gateway's thread, and the longest wait between two starts: an outside cause of its death may last for
 * a while.
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
/** A shard that has not answered within this time is not ready. */
export const READY_ANSWER_MS = 2000;
/** How many gateway threads a bus counts, and for how many endpoints it counts connections separately. */
export const GATEWAYS_MAX = 64;
export const ENDPOINT_SHARES = 256;

/** For how many topics an endpoint remembers the shard. */
export const TOPIC_ROUTES_CACHED_MAX = 16_384;
/** How many records an endpoint takes from one shard before it lets its event loop turn. */
export const DELIVERIES_PER_TURN = 2048;
/** How long an endpoint takes records, while there are always some, before it lets its event loop turn. */
export const DELIVERY_TURN_MS = 5;
/**
 * How long an endpoint hands out events, while there are always some, before it lets its event loop turn. Longer than
 * quick handlers take for a full window.
 */
export const HAND_OUT_TURN_MS = 20;
/** The most events that are handed out between two readings of the clock. */
export const TURN_LOOK_EVENTS_MAX = 16;

/** The length of an API key or a JWT, in characters. */
export const TOKEN_LENGTH_MAX = 8 * KIB;
/** How many patterns one list of grants may hold. */
export const GRANT_PATTERNS_MAX = 256;
/** How many redaction paths one list may hold, and the characters and steps of a path. */
export const REDACTION_PATHS_MAX = 64;
export const REDACTION_PATH_LENGTH_MAX = 256;
export const REDACTION_PATH_STEPS_MAX = 16;
/**
 * How many steps of redaction paths may be examined for one payload; beyond that, the rest of the payload is masked.
 */
export const REDACTION_WORK_MAX = 262_144;
/** For how many topics a principal remembers the masks. Few, as each connection with a JWT has its own principal. */
export const REDACTION_TOPICS_CACHED_MAX = 64;
/**
 * For how many principals the rates are remembered over their connections; the one unseen longest is forgotten first.
 */
export const RATED_PRINCIPALS_MAX = 10_000;
export const API_KEYS_MAX = 10_000;
export const KEYS_FILE_BYTES_MAX = 16 * MIB;
/** How many refused pages at once are told the reason over a WebSocket, and how long each may take. */
export const REFUSALS_TOLD_MAX = 64;
export const REFUSAL_TOLD_MS = 1000;
/** How many JWTs may be revoked by their ids, and the size of the file. */
export const REVOKED_TOKENS_MAX = 100_000;
export const REVOKED_FILE_BYTES_MAX = 32 * MIB;
/**
 * How often such files are checked in case the platform does not report changes, and how long a reported change may
 * settle.
 */
export const WATCHED_FILE_POLL_MS = 1000;
export const WATCHED_FILE_SETTLE_MS = 50;
/** How many faults of one file or option are shown; the others are only counted. */
export const AUTH_FAULTS_SHOWN_MAX = 100;
/** The size of a file that holds a secret or a public key. */
export const KEY_MATERIAL_BYTES_MAX = 64 * KIB;
/** A shorter shared secret would be weaker than the signature that it makes. */
export const JWT_SECRET_BYTES_MIN = 32;
export const JWT_RSA_BITS_MIN = 2048;
/** How far the issuer's clock may be ahead of the server's. */
export const JWT_CLOCK_TOLERANCE_MS = 5000;
export const JWT_CLOCK_TOLERANCE_MS_MAX = 60_000;
/** How many issuers and audiences may be named, and the characters of one name. */
export const JWT_NAMES_MAX = 16;
export const JWT_NAME_LENGTH_MAX = 1024;
/** A remote key set is kept this long, fetched at most this often, and waited for this long. */
export const JWKS_CACHE_MS = 600_000;
export const JWKS_COOLDOWN_MS = 30_000;
export const JWKS_TIMEOUT_MS = 5000;
export const JWKS_BYTES_MAX = 256 * KIB;
/** How many pages of 16 KiB a backup copies before it checks whether it was aborted. */
export const BACKUP_PAGES_PER_STEP = 256;
/** How many findings an error names; `verify` shows all. */
export const FINDINGS_TOLD_MAX = 20;
/** How many subscriptions `subscribers()` lists if no topic is named, those furthest behind first. */
export const SUBSCRIBERS_LISTED_MAX = 100;
/** The time to the endpoint is measured for one event in this many. */
export const DELIVERIES_PER_SAMPLE = 64;
/** How many system events about errors an endpoint publishes in a second. */
export const SYSTEM_ERRORS_PER_SECOND_MAX = 10;
/** How often the bus publishes its health on `$sys.health`. */
export const HEALTH_INTERVAL_MS = 10_000;
/** How many frames, and lists of events, the gateway's connections share within one turn of its event loop. */
export const SHARED_FRAMES_PER_TURN_MAX = 256;
/** How many texts of events are kept for a principal that gets them masked. */
export const REDACTED_TEXTS_MAX = 64;

/** How many WebSockets may be unauthenticated, in all and from one address, and how long they may stay so. */
export const UNAUTHENTICATED_CONNECTIONS_MAX = 1024;
export const UNAUTHENTICATED_PER_ADDRESS_MAX = 64;
export const AUTHENTICATE_MS = 10_000;
/** The first frame holds a token and little else. */
export const AUTHENTICATE_FRAME_BYTES_MAX = TOKEN_LENGTH_MAX + KIB;
/** How many new tokens a second are checked on an open connection. An honest client sends one in minutes. */
export const RENEWALS_PER_SECOND = 4;
/** How many of these may wait for the check of the one before. */
export const RENEWALS_WAITING_MAX = 8;
/** For one address, if the server can be reached from other machines. */
export const CONNECTS_PER_SECOND = 100;
export const FAILED_SIGN_INS_PER_SECOND = 100;
/** For how many addresses the rates are remembered; beyond that, the one unseen longest starts afresh. */
export const ADDRESSES_RATED_MAX = 10_000;
/** How long a client may take to answer the server's close frame. */
export const CLOSE_HANDSHAKE_MS = 5000;
export const GATEWAY_THREADS_MAX = 16;
export const ALLOWED_NAMES_MAX = 1024;
/** How often certificates and keys are checked in case the file system does not report changes. */
export const TLS_POLL_MS = 60_000;
export const TLS_SETTLE_MS = 200;
export const TLS_FILE_BYTES_MAX = 1 * MIB;

/** The size of an HTTP body that is read as a whole, and of all such bodies that a gateway holds at a time. */
export const HTTP_BODY_BYTES_MAX = 8 * MIB;
export const HTTP_BODIES_BYTES_MAX = 128 * MIB;
/** The same for one principal, or one address without a token. */
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
/** The same for the command line, which has to take the frames of any server, however it is configured. */
export const COMMAND_FRAME_BYTES_MAX = 100 * MIB;
/** How many frames of a long list may wait in a command before it reads no further. */
export const COMMAND_FRAMES_AHEAD_MAX = 4;
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

/**
 * The cache of names (topic, type, source) that a thread has decoded from their bytes: its entries, a power of two, and
 * the bytes of one name.
 */
export const NAME_CACHE_ENTRIES = 8192;
export const NAME_CACHE_ENTRY_BYTES = 128;
