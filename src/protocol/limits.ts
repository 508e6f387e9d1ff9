/** Every bound has its name here: queues, rings, batches, payloads, loops. Units are in the names. */

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest that a timer can wait, 24 days. One that is set to more fires at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

export const TOPIC_BYTES_MAX = 255;
export const TOPIC_SEGMENTS_MAX = 16;
export const EVENT_ID_LENGTH_MAX = 64;
/** `type`, `source` and `correlationId`, in bytes of UTF-8. */
export const EVENT_NAME_BYTES_MAX = 255;
export const ATTRIBUTES_MAX = 16;
export const ATTRIBUTE_KEY_BYTES_MAX = 64;
export const ATTRIBUTE_VALUE_BYTES_MAX = 1024;
export const PAYLOAD_BYTES_MAX = 1 * MIB;
export const JSON_DEPTH_MAX = 64;

export const PATTERNS_PER_FILTER_MAX = 1024;
export const FILTER_VALUES_MAX = 1024;

export const SHARDS_MAX = 16;
/** The command (publish) ring and the delivery ring, each, per endpoint and shard. */
export const RING_BYTES = 4 * MIB;
export const RING_BYTES_MIN = 4 * KIB;
export const RING_BYTES_MAX = 256 * MIB;
/** Subscribe, update, credit, requests: small and rare, so that they never wait behind publishes. */
export const CONTROL_RING_BYTES = 256 * KIB;
/** A record over this share of its ring travels in a shared buffer of its own. */
export const RING_RECORD_SHARE = 8;

/** Of `from: { last }`. */
export const SUBSCRIBE_LAST_MAX = 1_000_000;
export const SUBSCRIBER_BUFFER_EVENTS = 1000;
export const SUBSCRIBER_BUFFER_EVENTS_MAX = 1_000_000;
/** What one subscriber's queue in one shard may hold, whatever `maxBuffer` says. */
export const SUBSCRIBER_BUFFER_BYTES_MAX = 16 * MIB;
/**
 * Events, and their bytes, that a shard may have sent to a subscription and not seen consumed. Four full batches, or
 * a subscriber that keeps up would count as slow whenever a batch comes at once; and a multiple of its own buffer.
 */
export const CREDIT_EVENTS = 16_384;
export const CREDIT_PER_BUFFERED_EVENT = 16;
export const CREDIT_BYTES = 8 * MIB;

export const COMMIT_BATCH_EVENTS = 4096;
/** Topics without events that a shard still knows by name, to tell whose events a gap may have had. */
export const EMPTIED_TOPICS_KEPT = 10_000;
/** Room on the disk that each shard keeps for removals, at most: a checkpoint's worth of its log and a batch. */
export const RESERVE_BYTES_MAX = 8 * MIB;
export const COMMIT_BATCH_BYTES = 4 * MIB;

export const DEDUPE_WINDOW_MS = 120_000;
/**
 * Ids of publishers' own that a shard remembers within that time: 16,600 a second, and 84 MB. Beyond, the oldest is
 * forgotten before its time, and clients are told how far back the window reaches.
 */
export const DEDUPE_IDS_MAX = 2_000_000;
/** A store whose ids alone tell what a dead thread has stored knows them for at least so long, ms: a successor starts within it. */
export const SHARED_DEDUPE_WINDOW_MS_MIN = 30_000;
/** What was handed to such a store is not handed to it again within so much of the window's end, ms. */
export const SHARED_DEDUPE_MARGIN_MS = 5000;

/** A wall clock that moves by more against the monotonic one was set by somebody. */
export const CLOCK_STEP_MS = 1000;
/** One that was put forward is believed once it has stayed there for this long. */
export const CLOCK_CONFIRM_MS = 60_000;
/** And what is deleted by its age goes by the time before the step for this long. */
export const CLOCK_CAUTION_MS = 600_000;
/** While the wall clock is behind the last recorded time, recorded time passes so many times slower. */
export const CLOCK_CATCH_UP_DIVISOR = 10;

export const PUBLISH_WAIT_MS = 10_000;
/** Publishes of one endpoint that may wait for room in one shard's ring, and their bytes. */
export const PUBLISH_WAITERS_MAX = 65_536;
export const PUBLISH_WAITERS_BYTES_MAX = 64 * MIB;
export const PUBLISH_MANY_MAX = 65_536;

export const QUERY_LIMIT = 100;
export const QUERY_LIMIT_MAX = 10_000;
/** Threads that read history, while somebody is attached or reads. */
export const READER_THREADS = 2;
export const READ_PAGE_EVENTS = 512;
export const READ_PAGE_BYTES = 1 * MIB;

/** A subscription further behind than this reads history from the reader threads, not the shard. */
export const SHARD_CATCH_UP_EVENTS_MAX = 4096;

export const WEBSOCKET_FRAME_BYTES_MAX = 1 * MIB + 64 * KIB;
export const CONNECTION_OUTBOUND_BYTES_MAX = 1 * MIB;
export const CONNECTION_STALL_MS = 10_000;
/** While its outbound is full a client that takes less than this, over the time above, is cut: it holds memory that others need. */
export const DRAIN_BYTES_PER_SECOND_MIN = 4096;
/**
 * Bytes of history and of what waits in sockets that a gateway holds: for one connection, for one principal (without a token:
 * for one address), and in all. Where one is reached, history is read no further until clients have taken some.
 */
export const HELD_BYTES_PER_CONNECTION_MAX = 16 * MIB;
export const HELD_BYTES_PER_PRINCIPAL_MAX = 128 * MIB;
export const HELD_BYTES_MAX = 512 * MIB;
/** Where the principal or the gateway is over its bytes, more than this waiting for a client is congestion. */
export const PRESSED_OUTBOUND_BYTES_MAX = 64 * KIB;
/** What a shard may have sent to a client's subscription; those of one connection share so much, down to the least. */
export const CLIENT_CREDIT_BYTES = 2 * MIB;
export const CLIENT_CREDIT_BYTES_MIN = 64 * KIB;
/** Looks into the log that a gateway has under way; principals take turns. */
export const READS_AT_ONCE_MAX = 8;
/** Queries and lists that run at once, of one connection, of one principal and in all; the others wait for their turns. */
export const QUERIES_PER_CONNECTION_MAX = 8;
export const QUERIES_PER_PRINCIPAL_MAX = 32;
export const QUERIES_AT_ONCE_MAX = 128;
/** That wait, of one principal; beyond, they are refused. */
export const QUERIES_WAITING_PER_PRINCIPAL_MAX = 1024;
/** Of one principal over all its connections, or of one address without a token. */
export const SUBSCRIPTIONS_PER_PRINCIPAL_MAX = 32_768;
/** Patterns of all subscriptions: of one connection, and of one principal. Every shard keeps each of them. */
export const PATTERNS_PER_CONNECTION_MAX = 8192;
export const PATTERNS_PER_PRINCIPAL_MAX = 262_144;
export const CONNECTIONS_MAX = 10_000;
export const CONNECTIONS_PER_ADDRESS_MAX = 256;
/** TCP connections beside the WebSockets: probes, upgrades on their way or refused. */
export const PLAIN_CONNECTIONS_MAX = 1024;
/** Of them, beside its WebSockets, one address may have so many. */
export const PLAIN_CONNECTIONS_PER_ADDRESS_MAX = 64;
export const SUBSCRIPTIONS_PER_CONNECTION_MAX = 128;
export const HEARTBEAT_MS = 30_000;
export const HEARTBEATS_MISSED_MAX = 2;
export const EVENTS_PER_FRAME_MAX = 256;
export const EVENTS_FRAME_BYTES_MAX = 256 * KIB;
/** Requests of one connection that wait for their answers, and their bytes; beyond, it is not read from. */
export const REQUESTS_PER_CONNECTION_MAX = 256;
export const REQUESTS_BYTES_PER_CONNECTION_MAX = 4 * MIB;
/** A list that is answered (events, topics) goes out in several frames of about this size. */
export const RESULT_FRAME_BYTES_MAX = 1 * MIB;
export const REQUEST_ID_LENGTH_MAX = 128;
/** Characters of a subscription's name: on the bus, in the client and in a frame. */
export const SUBSCRIPTION_NAME_LENGTH_MAX = 255;
/** Levels of a frame around an event's payload: frame, payload, events, event. */
export const FRAME_ENVELOPE_DEPTH = 4;
/** Cursors that a gateway keeps as text: the places of one turn. */
export const CURSOR_TEXTS_MAX = 1024;
/** The gateway keeps the JSON text of this many events for its other connections, if not over this long. */
export const EVENT_TEXTS_MAX = 4096;
export const EVENT_TEXT_LENGTH_MAX = 16 * KIB;
/** How long a closing gateway waits for requests in flight, and then for the clients' goodbyes. */
export const GATEWAY_DRAIN_MS = 2000;
export const GATEWAY_GOODBYE_MS = 500;

/** Of records that travel in a buffer of their own, per sender; one is allowed whatever its size. */
export const LARGE_RECORD_BYTES_IN_FLIGHT_MAX = 64 * MIB;

export const EPOCH_LENGTH_MAX = 64;
/** Room for the longest epoch and a position of every shard, in base64url. */
export const CURSOR_LENGTH_MAX = 320;

/** Topics whose definitions an endpoint remembers (`defineTopic`). */
export const TOPIC_DEFINITION_CACHE_TOPICS = 4096;
/** Topics whose matching subscriptions a shard remembers. */
export const TOPIC_MATCHES_TOPICS = 65_536;
/** Subscriptions remembered over all those topics, eight bytes each. */
export const TOPIC_MATCHES_VALUES = 4 * MIB;
/** Changes of patterns that a shard remembers, to tell which topics they concern. */
export const PATTERN_CHANGES_KEPT = 16;

/** What one turn of a shard's loop gives to subscribers that are behind: queued events, and log events read. */
export const LIVE_FEED_EVENTS_PER_TURN = 4096;
export const CATCH_UP_EVENTS_PER_TURN = 512;
export const CATCH_UP_EVENTS_PER_STEP = 128;
export const CATCH_UP_BYTES_PER_STEP = 256 * KIB;
/** A list of topics up to this long is answered in order; a longer one is passed on as it is found. */
export const TOPICS_SORTED_MAX = 10_000;
/** Topics that a shard looks at for one answer. */
export const TOPICS_PER_REPLY = 1024;
/** Subscribers, and characters of their patterns, in one answer of a shard. */
export const SUBSCRIBERS_PER_REPLY = 256;
export const SUBSCRIBERS_PATTERNS_LENGTH_PER_REPLY = 256 * KIB;
/** Topics and subscribers that a shard looks at in one turn, for all questions together; the last answer may go beyond. */
export const ANSWERED_PER_TURN = 4096;
/** Topics looked at in one step of finding out what a pruned stretch of history means to a subscriber. */
export const GAP_TOPICS_PER_STEP = 1024;
/** Tries to start a shard's thread without progress in between, before the bus gives it up. */
export const SHARD_RESTARTS_MAX = 5;
/** The same of a gateway's thread, with the longest wait between two: what kills one from outside may go on for a while. */
export const GATEWAY_RESTARTS_MAX = 12;
export const GATEWAY_RESTART_WAIT_MS_MAX = 5000;
/** A gateway that starts again waits so long for its port, which the one before it may not have let go yet. */
export const GATEWAY_REBIND_MS = 5000;
/** A gateway says this often that its loop turns, does not count as ready when it has not for a while, and is replaced at last. */
export const GATEWAY_TURN_MS = 1000;
export const GATEWAY_STALLED_SECONDS = 5;
export const GATEWAY_HUNG_MS = 30_000;
/** A shard that has not answered in this time is not ready. */
export const READY_ANSWER_MS = 2000;
/** Threads of gateways that a bus counts, and endpoints whose connections it counts by themselves. */
export const GATEWAYS_MAX = 64;
export const ENDPOINT_SHARES = 256;

/** Topics whose shard an endpoint remembers. */
export const TOPIC_ROUTES_CACHED_MAX = 16_384;
/** Records that an endpoint takes from one shard before it lets its event loop turn. */
export const DELIVERIES_PER_TURN = 2048;
/** For so long an endpoint looks for records before it lets its event loop turn, if there are always some. */
export const DELIVERY_TURN_MS = 5;
/** For so long an endpoint hands out events, if there are always some. Longer than a full window of quick handlers takes. */
export const HAND_OUT_TURN_MS = 20;
/** Events that are handed out between two looks at the clock, at most. */
export const TURN_LOOK_EVENTS_MAX = 16;

/** An API key or a JWT as a client shows it, in characters. */
export const TOKEN_LENGTH_MAX = 8 * KIB;
/** Patterns in one list of grants. */
export const GRANT_PATTERNS_MAX = 256;
/** Redaction paths in one list, the characters of one, and its steps. */
export const REDACTION_PATHS_MAX = 64;
export const REDACTION_PATH_LENGTH_MAX = 256;
export const REDACTION_PATH_STEPS_MAX = 16;
/** Steps of redaction paths that may be looked at for one payload; what is left of it then is masked. */
export const REDACTION_WORK_MAX = 262_144;
/** Topics for which a principal remembers what is masked there. Few, as each JWT's connection has its own. */
export const REDACTION_TOPICS_CACHED_MAX = 64;
/** Principals whose rates are remembered over their connections; the one unseen longest is forgotten first. */
export const RATED_PRINCIPALS_MAX = 10_000;
export const API_KEYS_MAX = 10_000;
export const KEYS_FILE_BYTES_MAX = 16 * MIB;
/** Pages that are told at once why their upgrade is refused, and for how long each. */
export const REFUSALS_TOLD_MAX = 64;
export const REFUSAL_TOLD_MS = 1000;
/** JWTs that are revoked by their ids, and the file of them. */
export const REVOKED_TOKENS_MAX = 100_000;
export const REVOKED_FILE_BYTES_MAX = 32 * MIB;
/** How often such files are looked at where the platform tells of no change, and how long a change may settle. */
export const WATCHED_FILE_POLL_MS = 1000;
export const WATCHED_FILE_SETTLE_MS = 50;
/** Faults of one file or option that are told; the others are counted. */
export const AUTH_FAULTS_TOLD_MAX = 100;
/** Of a file that holds a secret or a public key. */
export const KEY_MATERIAL_BYTES_MAX = 64 * KIB;
/** A shared secret of fewer bytes is weaker than the signature that it makes. */
export const JWT_SECRET_BYTES_MIN = 32;
export const JWT_RSA_BITS_MIN = 2048;
/** How far the issuer's clock may be ahead of ours. */
export const JWT_CLOCK_TOLERANCE_MS = 5000;
export const JWT_CLOCK_TOLERANCE_MS_MAX = 60_000;
/** Issuers, audiences: how many may be named, and the characters of one. */
export const JWT_NAMES_MAX = 16;
export const JWT_NAME_LENGTH_MAX = 1024;
/** A remote key set is kept this long, fetched at most this often, and waited for this long. */
export const JWKS_CACHE_MS = 600_000;
export const JWKS_COOLDOWN_MS = 30_000;
export const JWKS_TIMEOUT_MS = 5000;
export const JWKS_BYTES_MAX = 256 * KIB;
/** Pages of 16 KiB that a backup copies before it looks whether it is to give up. */
export const BACKUP_PAGES_PER_STEP = 256;
/** Findings that an error names; `verify` tells all. */
export const FINDINGS_TOLD_MAX = 20;
/** Subscriptions that `subscribers()` lists where no topic is named, those furthest behind first. */
export const SUBSCRIBERS_LISTED_MAX = 100;
/** One event in so many has the time measured that it took to its endpoint. */
export const DELIVERIES_PER_SAMPLE = 64;
/** System events about errors, in one second and endpoint. */
export const SYSTEM_ERRORS_PER_SECOND_MAX = 10;
/** How often the bus tells its health on `$sys.health`. */
export const HEALTH_INTERVAL_MS = 10_000;
/** Frames, and lists of events, that the gateway's connections share within one turn of its event loop. */
export const SHARED_FRAMES_PER_TURN_MAX = 256;
/** Texts kept for a principal that does not see all of an event. */
export const REDACTED_TEXTS_MAX = 64;

/** WebSockets that have not said yet who they are, in all and from one address, and how long they may take. */
export const UNAUTHENTICATED_CONNECTIONS_MAX = 1024;
export const UNAUTHENTICATED_PER_ADDRESS_MAX = 64;
export const AUTHENTICATE_MS = 10_000;
/** The first frame holds a token and little else. */
export const AUTHENTICATE_FRAME_BYTES_MAX = TOKEN_LENGTH_MAX + KIB;
/** New tokens that are judged on a connection that lives. An honest client shows one in minutes. */
export const RENEWALS_PER_SECOND = 4;
/** Of these, those that wait for the one before. */
export const RENEWALS_WAITING_MAX = 8;
/** From one address, where the server can be reached from other machines. */
export const CONNECTS_PER_SECOND = 100;
export const FAILED_SIGN_INS_PER_SECOND = 100;
/** Addresses whose rates are remembered; beyond, the one unseen longest starts afresh. */
export const ADDRESSES_RATED_MAX = 10_000;
/** How long a connection that the server ends may take to say goodbye. */
export const CLOSE_HANDSHAKE_MS = 5000;
export const GATEWAY_THREADS_MAX = 16;
export const ALLOWED_NAMES_MAX = 1024;
/** A certificate or key may take this long to be noticed where the file system tells nothing. */
export const TLS_POLL_MS = 60_000;
export const TLS_SETTLE_MS = 200;
export const TLS_FILE_BYTES_MAX = 1 * MIB;

/** An HTTP body that is read as a whole, and all of them that a gateway holds at a time. */
export const HTTP_BODY_BYTES_MAX = 8 * MIB;
export const HTTP_BODIES_BYTES_MAX = 128 * MIB;
/** Of one principal, or one address without a token. */
export const HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX = 32 * MIB;
/** One line of an NDJSON body. */
export const HTTP_LINE_BYTES_MAX = WEBSOCKET_FRAME_BYTES_MAX;
/** Events of an NDJSON body that are published at once; as many may wait behind them. */
export const HTTP_LINES_PER_BATCH_MAX = 1024;
export const HTTP_LINES_BATCH_BYTES_MAX = 1 * MIB;
/** A body of which nothing arrives for this long is given up. */
export const HTTP_BODY_IDLE_MS = 30_000;
/** A body that is read as a whole must have arrived by then. */
export const HTTP_BODY_MS_MAX = 300_000;
/** Who goes on sending what nobody reads any more gets this long to take its answer. */
export const HTTP_LINGER_MS = 5000;
/** A list that is no longer than this is sent with its length and its cursor in front. */
export const HTTP_ANSWER_HELD_BYTES_MAX = 1 * MIB;
/** Characters of a request's query, and parameters in it. */
export const HTTP_QUERY_LENGTH_MAX = 12 * KIB;
export const HTTP_PARAMETERS_MAX = 1024;
/** Levels of a JSON body around an event's payload: array, event, and CloudEvents' own. */
export const HTTP_ENVELOPE_DEPTH = 3;
/** Longer than proxies keep a connection that they mean to use again (60 s, mostly): else one is closed just as they do. */
export const HTTP_KEEP_ALIVE_MS = 75_000;
/** Proxies cut a connection that is silent for a minute or less. */
export const SSE_HEARTBEAT_MS = 15_000;
/** A browser is told to wait this long before it connects again, and up to as long once more, so that not all come at once. */
export const SSE_RETRY_MS = 2000;
/** Events of one subscription that a client may hold or have on their way, and their bytes. */
export const CLIENT_WINDOW_EVENTS = 4096;
export const CLIENT_WINDOW_BYTES = 4 * MIB;
/** Publishes that wait in a client for their acknowledgements, sent or not. */
export const CLIENT_OUTBOX_EVENTS = 10_000;
export const CLIENT_OUTBOX_BYTES = 16 * MIB;
/** Of these, what is sent and unanswered at once; the server reads on below twice as many. */
export const CLIENT_PUBLISHES_IN_FLIGHT = 128;
export const CLIENT_PUBLISH_BYTES_IN_FLIGHT = 2 * MIB;
/** A `publishMany` of a client is sent in frames of about this size. */
export const CLIENT_PUBLISH_FRAME_BYTES = 256 * KIB;
export const CLIENT_PUBLISH_FRAME_EVENTS = 1024;
/** Queries and the like of one client that wait for their answers. */
export const CLIENT_REQUESTS_MAX = 256;
/** A frame from the server that is longer ends the connection. */
export const CLIENT_FRAME_BYTES_MAX = 16 * MIB;
/** The same for the command line, which goes on with whatever frames a server is configured for. */
export const COMMAND_FRAME_BYTES_MAX = 100 * MIB;
/** Frames of a long list that wait for a command before it reads no further. */
export const COMMAND_FRAMES_AHEAD_MAX = 4;
export const CLIENT_CONNECT_TIMEOUT_MS = 10_000;
export const CLIENT_REQUEST_TIMEOUT_MS = 30_000;
/** Silence after which a client asks whether the server is there, and half of which it waits for the answer. */
export const CLIENT_HEARTBEAT_MS = 20_000;
/** The same wait after a sign that the network has changed. */
export const CLIENT_PROBE_MS = 3000;
export const CLIENT_RECONNECT_BASE_MS = 500;
export const CLIENT_RECONNECT_MAX_MS = 20_000;
export const CLIENT_RECONNECT_FLOOR_MS = 100;
/** Tries in a row without a lasting connection after which a client tells its `onError`, once. */
export const CLIENT_TRIES_BEFORE_TOLD = 3;
/** A connection that held this long was a good one: the attempts are counted from zero again. */
export const CLIENT_STABLE_MS = 5000;
/** A sent publish is not sent again later than this: the server's dedupe window may have forgotten its id. */
export const CLIENT_RESEND_MS = 110_000;
/** Nor later than this before the end of the window that the server tells: so long it may wait there for room. */
export const CLIENT_RESEND_MARGIN_MS = PUBLISH_WAIT_MS;
/** A client does not ask for a new token where the one it has holds for less than this: it ends first. */
export const TOKEN_RENEWAL_LEAD_MS_MIN = 200;
/** Between two tries to subscribe where the server has named no time. */
export const CLIENT_SUBSCRIBE_RETRY_MS = 1000;
export const COALESCE_WINDOW_MS_MAX = 60_000;
/** Events that `useSubscription` keeps. */
export const HISTORY_EVENTS = 100;
export const HISTORY_EVENTS_MAX = 100_000;

/** Names of records (topic, type, source) that a thread remembers by their bytes: entries, a power of two, and bytes of one. */
export const NAME_CACHE_ENTRIES = 8192;
export const NAME_CACHE_ENTRY_BYTES = 128;
