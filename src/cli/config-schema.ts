import * as v from 'valibot';
import { authSchema, parseOrFaults } from '../auth/auth-options.js';
import type { Fault } from '../auth/grants.js';
import { parseAlertRules } from '../protocol/alert-rule.js';
import type { AlertRuleInput } from '../protocol/alerts.js';
import { consumerNamesFault } from '../protocol/consumer-definition.js';
import {
  ARCHIVE_SEGMENT_BYTES_MAX,
  ARCHIVE_SEGMENT_BYTES_MIN,
} from '../protocol/limits/archive.js';
import { RETENTION_CONSUMERS_MAX } from '../protocol/limits/consumers.js';
import { PAYLOAD_BYTES_MAX, TOPIC_SEGMENTS_MAX } from '../protocol/limits/events.js';
import { SHARDS_MAX } from '../protocol/limits/shards.js';
import {
  CLAIM_CHECK_BYTES_MIN,
  CLAIMED_PAYLOAD_BYTES_MAX,
  KEEP_PER_TOPIC_MAX,
} from '../protocol/limits/store.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import { objectOf as anyObjectOf } from '../protocol/object-schema.js';
import { quote } from '../protocol/quote.js';
import { keptSchedule } from '../protocol/schedule-text.js';
import type { ScheduleOptions } from '../protocol/schedules.js';
import { messageOf } from '../protocol/thrown.js';
import { patternFault } from '../protocol/topic.js';
import { parseServer, parseTimeout } from './values.js';

/**
 * The schema of config files. All faults of a file are reported together, each with its place, the value found and the
 * value expected. The values of secrets are never shown.
 */

/**
 * In this file a fault's message names only the expected value; `faultOf` puts the place and the value found in front.
 */
const wholeNumber = (least: number, most = Number.MAX_SAFE_INTEGER) => {
  const range =
    most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  return v.custom<number>(
    (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
    `a whole number ${range}`,
  );
};

const someText = v.custom<string>((value) => typeof value === 'string' && value !== '', 'text');
const yesOrNo = v.boolean('true or false');
const duration = v.custom<string | number>(
  (value) =>
    (typeof value === 'string' || typeof value === 'number') && isRead(parseTimeout, value),
  'a duration from 1ms to 24d, such as "10s", or milliseconds',
);
const address = v.custom<string>(
  (value) => typeof value === 'string' && isRead(parseServer, value),
  'an address such as "http://127.0.0.1:7400"',
);
const listOf = <S extends v.GenericSchema>(item: S, what: string) =>
  v.array(item, `a list of ${what}`);
const pattern = v.custom<string>(
  (value) => typeof value === 'string' && patternFault(value) === undefined,
  'a pattern such as "orders.*"',
);
const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `one of ${values.map((value) => `"${value}"`).join(', ')}`);

const objectOf = <E extends v.ObjectEntries>(entries: E) => anyObjectOf(entries, 'an object');

/** Whether the command line's parser accepts the value. */
function isRead(parse: (text: string) => unknown, value: string | number): boolean {
  try {
    parse(String(value));
    return true;
  } catch {
    return false;
  }
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const PORT_MAX = 65_535;

const consumers = v.custom<readonly string[]>(
  (value) => consumerNamesFault(value) === undefined,
  `a list of 1 to ${RETENTION_CONSUMERS_MAX} names of consumers`,
);

const retentionRule = v.pipe(
  objectOf({
    pattern: v.exactOptional(pattern),
    maxAgeMs: v.exactOptional(wholeNumber(1)),
    maxEvents: v.exactOptional(wholeNumber(1)),
    maxBytes: v.exactOptional(wholeNumber(1)),
    keepPerTopic: v.exactOptional(wholeNumber(1, KEEP_PER_TOPIC_MAX)),
    untilConsumedBy: v.exactOptional(consumers),
  }),
  v.check(
    ({ maxAgeMs, maxEvents, maxBytes, keepPerTopic, untilConsumedBy }) =>
      (maxAgeMs ?? maxEvents ?? maxBytes ?? keepPerTopic ?? untilConsumedBy) !== undefined,
    'a rule with maxAgeMs, maxEvents, maxBytes, keepPerTopic or untilConsumedBy',
  ),
);

const configSchema = objectOf({
  // For client commands.
  server: v.exactOptional(address),
  token: v.exactOptional(someText),
  timeout: v.exactOptional(duration),
  // For the bus.
  dir: v.exactOptional(someText),
  store: v.exactOptional(someText),
  shards: v.exactOptional(wholeNumber(1, SHARDS_MAX)),
  shardBySegments: v.exactOptional(wholeNumber(1, TOPIC_SEGMENTS_MAX)),
  source: v.exactOptional(someText),
  defaultPersist: v.exactOptional(yesOrNo),
  noPersistTopics: v.exactOptional(listOf(pattern, 'patterns')),
  retention: v.exactOptional(listOf(retentionRule, 'rules')),
  archive: v.exactOptional(
    objectOf({
      dir: v.exactOptional(someText),
      s3: v.exactOptional(
        objectOf({
          endpoint: v.exactOptional(someText),
          region: v.exactOptional(someText),
          bucket: someText,
          prefix: v.exactOptional(someText),
        }),
      ),
      segmentBytes: v.exactOptional(
        wholeNumber(ARCHIVE_SEGMENT_BYTES_MIN, ARCHIVE_SEGMENT_BYTES_MAX),
      ),
      segmentMs: v.exactOptional(wholeNumber(0, TIMER_MS_MAX)),
      maxAgeMs: v.exactOptional(wholeNumber(1)),
      maxBytes: v.exactOptional(wholeNumber(1)),
    }),
  ),
  // Checked below, by the parser of rules.
  alerts: v.exactOptional(
    listOf(
      v.custom<AlertRuleInput>(() => true),
      'alert rules',
    ),
  ),
  // Checked below, by the parser of schedules.
  schedules: v.exactOptional(
    v.custom<Readonly<Record<string, ScheduleOptions>>>(
      (input) => typeof input === 'object' && input !== null && !Array.isArray(input),
      'an object of schedules by their names',
    ),
  ),
  systemEvents: v.exactOptional(
    v.lazy((input) =>
      typeof input === 'boolean'
        ? yesOrNo
        : objectOf({
            persist: v.exactOptional(yesOrNo),
            healthIntervalMs: v.exactOptional(wholeNumber(0, TIMER_MS_MAX)),
            metricsIntervalMs: v.exactOptional(wholeNumber(0, TIMER_MS_MAX)),
          }),
    ),
  ),
  ringBytes: v.exactOptional(wholeNumber(1)),
  commitBatchEvents: v.exactOptional(wholeNumber(1)),
  maxPayloadBytes: v.exactOptional(wholeNumber(1)),
  maxShardBytes: v.exactOptional(wholeNumber(1)),
  claimCheckBytes: v.exactOptional(wholeNumber(CLAIM_CHECK_BYTES_MIN, CLAIMED_PAYLOAD_BYTES_MAX)),
  publishWaitMs: v.exactOptional(wholeNumber(0, TIMER_MS_MAX)),
  dedupeWindowMs: v.exactOptional(wholeNumber(0, TIMER_MS_MAX)),
  dedupeIdsMax: v.exactOptional(wholeNumber(0)),
  // For the gateway.
  host: v.exactOptional(someText),
  port: v.exactOptional(wholeNumber(0, PORT_MAX)),
  basePath: v.exactOptional(someText),
  gateways: v.exactOptional(wholeNumber(1)),
  compression: v.exactOptional(yesOrNo),
  dashboard: v.exactOptional(yesOrNo),
  dashboardReadOnly: v.exactOptional(yesOrNo),
  environment: v.exactOptional(someText),
  audit: v.exactOptional(yesOrNo),
  allowedOrigins: v.exactOptional(listOf(someText, 'origins')),
  allowedHosts: v.exactOptional(listOf(someText, 'host names')),
  trustedProxies: v.exactOptional(listOf(someText, 'addresses')),
  tls: v.exactOptional(
    objectOf({
      certFile: someText,
      keyFile: someText,
      passphrase: v.exactOptional(someText),
    }),
  ),
  // Checked below, by the schema of authentication.
  auth: v.exactOptional(v.custom<v.InferOutput<typeof authSchema>>(() => true)),
  authenticateMs: v.exactOptional(wholeNumber(1, TIMER_MS_MAX)),
  maxConnections: v.exactOptional(wholeNumber(1)),
  maxConnectionsPerAddress: v.exactOptional(wholeNumber(1)),
  maxConnectsPerSecond: v.exactOptional(wholeNumber(0)),
  maxFailedSignInsPerSecond: v.exactOptional(wholeNumber(0)),
  maxSubscriptions: v.exactOptional(wholeNumber(1)),
  maxFrameBytes: v.exactOptional(wholeNumber(1024)),
  maxOutboundBytes: v.exactOptional(wholeNumber(1024)),
  maxPublishPerSecond: v.exactOptional(wholeNumber(0)),
  maxSubscribePerSecond: v.exactOptional(wholeNumber(0)),
  maxQueriesPerSecond: v.exactOptional(wholeNumber(0)),
  maxSubscriptionsPerPrincipal: v.exactOptional(wholeNumber(1)),
  maxPatterns: v.exactOptional(wholeNumber(1)),
  maxPatternsPerPrincipal: v.exactOptional(wholeNumber(1)),
  maxQueries: v.exactOptional(wholeNumber(1)),
  maxQueriesPerPrincipal: v.exactOptional(wholeNumber(1)),
  maxHeldBytes: v.exactOptional(wholeNumber(1024)),
  maxHeldBytesPerPrincipal: v.exactOptional(wholeNumber(1024)),
  maxHeldBytesTotal: v.exactOptional(wholeNumber(1024)),
  minDrainBytesPerSecond: v.exactOptional(wholeNumber(0)),
  stallMs: v.exactOptional(wholeNumber(1, TIMER_MS_MAX)),
  heartbeatMs: v.exactOptional(wholeNumber(1, TIMER_MS_MAX)),
  keepAliveMs: v.exactOptional(wholeNumber(1, TIMER_MS_MAX)),
  maxUnauthenticated: v.exactOptional(wholeNumber(1)),
  maxUnauthenticatedPerAddress: v.exactOptional(wholeNumber(1)),
  // Checked by `serve`, by the sinks' own checks.
  sinks: v.exactOptional(v.unknown()),
  logLevel: v.exactOptional(oneOf(LOG_LEVELS)),
});

export type Config = v.InferOutput<typeof configSchema>;

/** The settings, or every fault of the file. */
export type ParsedConfig = { readonly config: Config } | { readonly faults: readonly string[] };

export function parseConfig(value: unknown): ParsedConfig {
  const result = v.safeParse(configSchema, value);
  const faults = result.success ? [] : result.issues.map(faultOf);
  faults.push(...alertFaults(value));
  if (result.success) faults.push(...scheduleFaults(result.output.schedules ?? {}));
  const authFaults: Fault[] = [];
  const auth = authOf(value);
  if (auth !== undefined) parseOrFaults(authSchema, auth, authFaults);
  for (const { path, message } of authFaults) {
    // Written like the other places in the file.
    const where = path.replace(/\[(\d+)\]/g, '.$1');
    faults.push(where === '' ? `auth: ${message}` : `auth.${where}: ${message}`);
  }
  return result.success && faults.length === 0 ? { config: result.output } : { faults };
}

/** The first fault of the alert rules, with its place. */
function alertFaults(value: unknown): string[] {
  const hasAlerts = typeof value === 'object' && value !== null && 'alerts' in value;
  const alerts: unknown = hasAlerts ? value.alerts : [];
  if (!Array.isArray(alerts)) return [];
  try {
    parseAlertRules(alerts);
    return [];
  } catch (error) {
    return [`alerts: ${messageOf(error)}`];
  }
}

/** What is wrong with each schedule; the bus says whether its cron expression is one. */
function scheduleFaults(schedules: Readonly<Record<string, ScheduleOptions>>): string[] {
  return Object.entries(schedules).flatMap(([name, options]) => {
    try {
      keptSchedule(name, options, 'config', PAYLOAD_BYTES_MAX);
      return [];
    } catch (error) {
      return [`schedules.${name}: ${messageOf(error)}`];
    }
  });
}

function authOf(value: unknown): unknown {
  const hasAuth = typeof value === 'object' && value !== null && 'auth' in value;
  return hasAuth ? value.auth : undefined;
}

/** Settings that hold secrets; a value of the wrong type is not shown. */
const SECRETS = new Set(['', 'auth', 'tls', 'token', 'store', 'tls.passphrase']);

/** `port: is "x", and should be a whole number from 0 to 65535` */
function faultOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? '';
  const where = path === '' ? 'the file' : path;
  if (issue.expected === 'never') return `${where}: ${issue.message}`;
  if (issue.type === 'strict_object') return `${where}: is missing`;
  const found = SECRETS.has(path) ? 'something else' : quote(issue.input);
  return `${where}: is ${found}, and should be ${issue.message}`;
}
