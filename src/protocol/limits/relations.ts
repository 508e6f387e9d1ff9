import * as alerts from './alerts.js';
import * as archive from './archive.js';
import * as audit from './audit.js';
import * as auth from './auth.js';
import * as budgets from './budgets.js';
import * as busApi from './bus-api.js';
import * as cli from './cli.js';
import * as client from './client.js';
import * as consumers from './consumers.js';
import * as endpoint from './endpoint.js';
import * as events from './events.js';
import * as forward from './forward.js';
import * as gateway from './gateway.js';
import * as http from './http.js';
import * as links from './links.js';
import * as mirror from './mirror.js';
import * as nats from './nats.js';
import * as relay from './relay.js';
import * as requests from './requests.js';
import * as schedules from './schedules.js';
import * as shards from './shards.js';
import * as sinks from './sinks.js';
import * as store from './store.js';
import * as units from './units.js';
import * as webhook from './webhook.js';
import * as websocket from './websocket.js';

/**
 * Relations between limits, checked when this module is loaded: a change to one limit that breaks a relation fails at
 * once, before anything depends on it.
 */

/** All limits by name. */
export const LIMITS = {
  ...alerts,
  ...archive,
  ...audit,
  ...auth,
  ...budgets,
  ...busApi,
  ...cli,
  ...client,
  ...consumers,
  ...endpoint,
  ...events,
  ...forward,
  ...gateway,
  ...http,
  ...links,
  ...mirror,
  ...nats,
  ...relay,
  ...requests,
  ...schedules,
  ...shards,
  ...sinks,
  ...store,
  ...units,
  ...webhook,
  ...websocket,
};

export type Limits = Readonly<Record<keyof typeof LIMITS, number>>;

type Name = keyof Limits;

/** From the smallest to the largest; equals are allowed. */
const ASCENDING: readonly (readonly Name[])[] = [
  ['RING_BYTES_MIN', 'RING_BYTES', 'RING_BYTES_MAX'],
  ['QUERY_LIMIT', 'QUERY_LIMIT_MAX'],
  ['READ_PAGE_EVENTS', 'QUERY_LIMIT_MAX'],
  ['CATCH_UP_EVENTS_PER_STEP', 'CATCH_UP_EVENTS_PER_TURN', 'SHARD_CATCH_UP_EVENTS_MAX'],
  ['DELIVERY_TURN_MS', 'HAND_OUT_TURN_MS'],
  ['SHARED_DEDUPE_MARGIN_MS', 'SHARED_DEDUPE_WINDOW_MS_MIN', 'DEDUPE_WINDOW_MS'],
  ['NATS_ASK_AGAIN_MS', 'NATS_FIRST_ANSWER_MS', 'NATS_ANSWER_MS', 'NATS_REQUEST_MS'],
  ['NATS_CONSUMER_MS', 'NATS_REQUEST_MS', 'NATS_OPEN_MS', 'SHARED_OPEN_MS'],
  ['NATS_RETRY_MS', 'NATS_SETTLE_MS', 'NATS_GONE_MS', 'NATS_OPEN_MS'],
  ['CLOCK_STEP_MS', 'CLOCK_CONFIRM_MS', 'CLOCK_CAUTION_MS'],
  ['SUBSCRIBER_BUFFER_EVENTS', 'SUBSCRIBER_BUFFER_EVENTS_MAX'],
  ['CLIENT_CREDIT_BYTES_LEAST', 'CLIENT_CREDIT_BYTES_MIN', 'CLIENT_CREDIT_BYTES', 'CREDIT_BYTES'],
  ['EVENTS_FRAME_BYTES_MAX', 'CONNECTION_OUTBOUND_BYTES_MAX'],
  ['GATEWAY_ANSWER_MS', 'GATEWAYS_ANSWER_MS'],
  ['HELD_BYTES_PER_CONNECTION_MAX', 'HELD_BYTES_PER_PRINCIPAL_MAX', 'HELD_BYTES_MAX'],
  ['QUERIES_PER_CONNECTION_MAX', 'QUERIES_PER_PRINCIPAL_MAX', 'QUERIES_AT_ONCE_MAX'],
  ['SUBSCRIPTIONS_PER_CONNECTION_MAX', 'SUBSCRIPTIONS_PER_PRINCIPAL_MAX'],
  ['PATTERNS_PER_FILTER_MAX', 'PATTERNS_PER_CONNECTION_MAX', 'PATTERNS_PER_PRINCIPAL_MAX'],
  ['CONNECTIONS_PER_ADDRESS_MAX', 'CONNECTIONS_MAX'],
  ['UNAUTHENTICATED_PER_ADDRESS_MAX', 'UNAUTHENTICATED_CONNECTIONS_MAX'],
  ['PAYLOAD_BYTES_MAX', 'WEBSOCKET_FRAME_BYTES_MAX', 'CLIENT_FRAME_BYTES_MAX'],
  ['CLIENT_FRAME_BYTES_MAX', 'COMMAND_FRAME_BYTES_MAX'],
  ['CLIENT_PUBLISH_FRAME_BYTES', 'WEBSOCKET_FRAME_BYTES_MAX'],
  ['PREFETCH_MS', 'LEASE_MS_MIN', 'LEASE_MS', 'LEASE_MS_MAX', 'BACKOFF_MS_MAX'],
  ['ATTEMPTS', 'ATTEMPTS_MAX'],
  ['CONSUMER_IN_FLIGHT', 'CONSUMER_IN_FLIGHT_MAX'],
  ['CONSUMER_AHEAD', 'CONSUMER_AHEAD_MAX'],
  ['CONSUMER_PAGE', 'CONSUMER_PAGE_MAX'],
  ['LETTER_RETRY_MS', 'LETTER_RETRY_MS_MAX'],
  ['REQUEST_TIMEOUT_MS', 'REQUEST_TIMEOUT_MS_MAX', 'TIMER_MS_MAX'],
  ['QUESTIONS_PER_RESPONDER_MAX', 'REQUESTS_PENDING_MAX'],
  ['REQUESTS_PER_ASKER_MAX', 'REQUESTS_PENDING_MAX'],
  ['RESPONDERS_PER_CONNECTION_MAX', 'RESPONDERS_MAX'],
  ['PAYLOAD_BYTES_MAX', 'REQUESTS_PENDING_LENGTH_MAX'],
  ['SINK_RETRY_MS', 'SINK_RETRY_MS_MAX'],
  ['SINK_RESTART_MS', 'SINK_RESTART_MS_MAX'],
  ['WEBHOOK_STOP_MS', 'SINK_STOP_MS'],
  ['FORWARD_STOP_MS', 'SINK_STOP_MS'],
  ['FORWARD_CONCURRENCY', 'FORWARD_CONCURRENCY_MAX', 'CONSUMER_CONCURRENCY_MAX'],
  ['FORWARD_SINGLES_AT_ONCE', 'FORWARD_BATCH_EVENTS_MAX', 'PUBLISH_MANY_MAX'],
  ['AUDIT_CONCURRENCY', 'AUDIT_BATCH_EVENTS_MAX', 'AUDIT_CONCURRENCY_MAX'],
  ['AUDIT_CONCURRENCY_MAX', 'CONSUMER_CONCURRENCY_MAX'],
  ['AUDIT_FILE_BYTES_MIN', 'AUDIT_BATCH_BYTES_MAX', 'AUDIT_FILE_BYTES', 'AUDIT_FILE_BYTES_MAX'],
  ['AUDIT_KEY_BYTES_MIN', 'AUDIT_KEY_BYTES_MAX'],
  ['AUDIT_LOCK_RETRY_MS', 'AUDIT_LOCK_STALE_MS', 'LEASE_MS'],
  ['PAYLOAD_BYTES_MAX', 'AUDIT_LINE_BYTES_MAX'],
  ['WEBHOOK_CONCURRENCY', 'WEBHOOK_CONCURRENCY_MAX', 'CONSUMER_CONCURRENCY_MAX'],
  ['WEBHOOK_TIMEOUT_MS_MIN', 'WEBHOOK_STOP_MS', 'WEBHOOK_TIMEOUT_MS', 'LEASE_MS'],
  ['WEBHOOK_RETRY_AFTER_MS', 'WEBHOOK_RETRY_AFTER_MS_MAX', 'BACKOFF_MS_MAX'],
  ['WEBHOOK_EXCERPT_BYTES_MAX', 'REASON_LENGTH_MAX'],
  ['WEBHOOK_EXCERPT_BYTES_MAX', 'WEBHOOK_ANSWER_BYTES_MAX'],
  ['OUTBOX_BATCH', 'OUTBOX_BATCH_MAX', 'COMMIT_BATCH_EVENTS', 'PUBLISH_MANY_MAX'],
  ['OUTBOX_POLL_MS', 'OUTBOX_POLL_MS_MAX'],
  ['OUTBOX_STALE_MS', 'DEDUPE_WINDOW_MS'],
  ['PROJECT_BATCH', 'PROJECT_BATCH_MAX', 'PROJECT_NAMED_MAX'],
  ['LEASES_PER_TURN', 'COMMIT_BATCH_EVENTS'],
  ['PREFETCH_MAX', 'CONSUMER_CONCURRENCY_MAX', 'SETTLEMENTS_OUT_MAX'],
  ['SETTLEMENTS_PER_RECORD', 'SETTLEMENTS_OUT_MAX'],
  ['CONSUMER_MEMBERS_PER_CONNECTION_MAX', 'CONSUMER_MEMBERS_MAX'],
  ['CLIENT_RECONNECT_FLOOR_MS', 'CLIENT_RECONNECT_BASE_MS', 'CLIENT_RECONNECT_MAX_MS'],
];

const RELATIONS: Readonly<Record<string, (limits: Limits) => boolean>> = {
  'a publish is sent again only while the server knows its id': (of) =>
    of.CLIENT_RESEND_MS + of.CLIENT_RESEND_MARGIN_MS <= of.DEDUPE_WINDOW_MS,
  'the credit holds four full batches': (of) => of.CREDIT_EVENTS >= 4 * of.COMMIT_BATCH_EVENTS,
  'the credit holds the bytes of two full batches': (of) =>
    of.CREDIT_BYTES >= 2 * of.COMMIT_BATCH_BYTES,
  'a full buffer does not exceed the credit': (of) =>
    of.CREDIT_PER_BUFFERED_EVENT * of.SUBSCRIBER_BUFFER_EVENTS <= of.CREDIT_EVENTS,
  'a server reads on while a client has its publishes in flight': (of) =>
    2 * of.CLIENT_PUBLISHES_IN_FLIGHT <= of.REQUESTS_PER_CONNECTION_MAX &&
    2 * of.CLIENT_PUBLISH_BYTES_IN_FLIGHT <= of.REQUESTS_BYTES_PER_CONNECTION_MAX,
  'a client takes a list whose last event is as large as can be': (of) =>
    of.RESULT_FRAME_BYTES_MAX + of.WEBSOCKET_FRAME_BYTES_MAX < of.CLIENT_FRAME_BYTES_MAX,
  'a probe is shorter than the usual wait': (of) => of.CLIENT_PROBE_MS < of.CLIENT_HEARTBEAT_MS / 2,
  'a gateway says that it turns, before it counts as stalled, before it is replaced': (of) =>
    of.GATEWAY_TURN_MS < of.GATEWAY_STALLED_SECONDS * 1000 &&
    of.GATEWAY_STALLED_SECONDS * 1000 < of.GATEWAY_HUNG_MS,
  'an event is not leased ahead for as long as its lease lasts': (of) =>
    of.PREFETCH_MS < of.LEASE_MS_MIN,
  'the topics on which the bus tells of a consumer hold its name': (of) =>
    of.CONSUMER_NAME_SEGMENTS_MAX + 3 <= of.TOPIC_SEGMENTS_MAX &&
    of.CONSUMER_NAME_BYTES_MAX + 64 <= of.TOPIC_BYTES_MAX,
  'a record of settlements fits its ring': (of) =>
    2 * of.SETTLEMENTS_PER_RECORD * of.SETTLEMENT_BYTES_MAX <=
    of.CONTROL_RING_BYTES / of.RING_RECORD_SHARE,
  'sizes of rings and caches are powers of two': (of) =>
    [of.RING_BYTES, of.CONTROL_RING_BYTES, of.NAME_CACHE_ENTRIES, of.GATE_WORDS].every(
      isPowerOfTwo,
    ),
};

/** The relations that do not hold, in words. */
export function brokenRelations(of: Limits): string[] {
  const descents = ASCENDING.flatMap((names) =>
    names
      .slice(1)
      .map((name, at): [Name, Name] => [names[at]!, name])
      .filter(([smaller, larger]) => of[smaller] > of[larger])
      .map(([smaller, larger]) => `${smaller} ${of[smaller]} is over ${larger} ${of[larger]}`),
  );
  const broken = Object.entries(RELATIONS).filter(([, holds]) => !holds(of));
  return [...descents, ...broken.map(([relation]) => `it does not hold that ${relation}`)];
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

const broken = brokenRelations(LIMITS);
if (broken.length > 0) throw new Error(`src/protocol/limits: ${broken.join('; ')}`);
