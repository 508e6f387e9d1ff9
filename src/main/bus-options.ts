/**
 * The options of `openBus`: checked once, completed with the defaults, frozen. Every fault names the offending value.
 */
import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import {
  checked,
  parseWith,
  path,
  pattern,
  wholeFrom,
  yesOrNo,
} from '../endpoint/option-schemas.js';
import { parseAlertRules } from '../protocol/alert-rule.js';
import type { AlertRule, AlertRuleInput } from '../protocol/alerts.js';
import { consumerNameFault } from '../protocol/consumer-definition.js';
import { isTopicDefinition, type TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import { nameFault } from '../protocol/event-fields.js';
import { RETENTION_CONSUMERS_MAX } from '../protocol/limits/consumers.js';
import { HEALTH_INTERVAL_MS, PUBLISH_WAIT_MS } from '../protocol/limits/endpoint.js';
import {
  PAYLOAD_BYTES_MAX,
  PAYLOAD_BYTES_SETTING_MAX,
  TOPIC_SEGMENTS_MAX,
} from '../protocol/limits/events.js';
import { RING_BYTES, RING_BYTES_MAX, RING_BYTES_MIN } from '../protocol/limits/links.js';
import { COMMIT_BATCH_EVENTS, SHARDS_MAX } from '../protocol/limits/shards.js';
import {
  CLAIM_CHECK_BYTES_MIN,
  CLAIMED_PAYLOAD_BYTES_MAX,
  DEDUPE_IDS_MAX,
  DEDUPE_WINDOW_MS,
  KEEP_PER_TOPIC_MAX,
} from '../protocol/limits/store.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import { objectOf } from '../protocol/object-schema.js';
import { aFunction, optionInvalid } from '../protocol/options.js';
import type { LogStore } from '../store/log-store.js';
import { archiveOption } from './archive-options.js';
import type { SystemEventOptions } from './system-reporter.js';

const consumerNames = v.pipe(
  v.array(
    v.pipe(
      v.string(),
      v.check(
        (name) => consumerNameFault(name) === undefined,
        (issue) => consumerNameFault(issue.input) ?? 'not a name',
      ),
    ),
  ),
  v.check(
    ({ length }) => length >= 1 && length <= RETENTION_CONSUMERS_MAX,
    `has to have 1 to ${RETENTION_CONSUMERS_MAX} names of consumers`,
  ),
);

const retentionRule = v.pipe(
  objectOf({
    pattern: v.optional(pattern, '*'),
    maxAgeMs: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
    maxEvents: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
    maxBytes: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
    keepPerTopic: v.optional(wholeFrom(1, KEEP_PER_TOPIC_MAX)),
    untilConsumedBy: v.optional(consumerNames),
  }),
  v.check(
    ({ maxAgeMs, maxEvents, maxBytes, keepPerTopic, untilConsumedBy }) =>
      (maxAgeMs ?? maxEvents ?? maxBytes ?? keepPerTopic ?? untilConsumedBy) !== undefined,
    'needs maxAgeMs, maxEvents, maxBytes, keepPerTopic or untilConsumedBy',
  ),
);

const systemEventFields = objectOf(
  {
    persist: v.optional(yesOrNo, false),
    healthIntervalMs: v.optional(wholeFrom(0, TIMER_MS_MAX), HEALTH_INTERVAL_MS),
    metricsIntervalMs: v.optional(wholeFrom(0, TIMER_MS_MAX), 0),
  },
  'has to be true, false or { persist, healthIntervalMs, metricsIntervalMs }',
);
const systemEvents = v.lazy((input) =>
  typeof input === 'boolean' ? v.boolean() : systemEventFields,
);

const alertRules = v.pipe(
  v.custom<readonly AlertRuleInput[]>(Array.isArray, 'has to be a list'),
  v.rawTransform(({ dataset, addIssue, NEVER }): readonly AlertRule[] => {
    try {
      return parseAlertRules(dataset.value);
    } catch (error) {
      addIssue({ message: (error as BusError).message });
      return NEVER;
    }
  }),
);

const busOptions = objectOf({
  dir: v.optional(path),
  store: v.optional(
    v.custom<LogStore>(isStore, 'has to be a LogStore, as natsStore and redisStore make'),
  ),
  shards: v.optional(wholeFrom(1, SHARDS_MAX)),
  shardBy: v.optional(objectOf({ segments: wholeFrom(1, TOPIC_SEGMENTS_MAX) })),
  source: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) => nameFault('source', text) === undefined,
        (issue) => nameFault('source', issue.input) ?? 'not a source',
      ),
    ),
    'millrace',
  ),
  defaultPersist: v.optional(yesOrNo, true),
  noPersistTopics: v.optional(v.array(pattern), []),
  retention: v.optional(v.array(retentionRule), []),
  archive: v.optional(archiveOption),
  ringBytes: v.optional(
    v.pipe(
      wholeFrom(RING_BYTES_MIN, RING_BYTES_MAX),
      v.check((bytes) => (bytes & (bytes - 1)) === 0, 'has to be a power of two'),
    ),
    RING_BYTES,
  ),
  commitBatchEvents: v.optional(wholeFrom(1, COMMIT_BATCH_EVENTS), COMMIT_BATCH_EVENTS),
  maxPayloadBytes: v.optional(wholeFrom(1, PAYLOAD_BYTES_SETTING_MAX), PAYLOAD_BYTES_MAX),
  publishWaitMs: v.optional(wholeFrom(0, TIMER_MS_MAX), PUBLISH_WAIT_MS),
  dedupeWindowMs: v.optional(wholeFrom(0, TIMER_MS_MAX), DEDUPE_WINDOW_MS),
  dedupeIdsMax: v.optional(wholeFrom(0, 10_000_000), DEDUPE_IDS_MAX),
  maxShardBytes: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
  claimCheckBytes: v.optional(wholeFrom(CLAIM_CHECK_BYTES_MIN, CLAIMED_PAYLOAD_BYTES_MAX)),
  topics: v.optional(
    v.array(v.custom<TopicDefinition>(isTopicDefinition, 'has to be made by defineTopic')),
    [],
  ),
  alerts: v.optional(alertRules, []),
  systemEvents: v.optional(systemEvents, true),
  onError: v.optional(checked<(error: BusError) => void>(aFunction)),
});

function isStore(input: unknown): boolean {
  const { name, open } = (input ?? {}) as Partial<LogStore>;
  return typeof name === 'string' && typeof open === 'function';
}

export type ParsedBusOptions = Readonly<v.InferOutput<typeof busOptions>>;

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseBusOptions(options: unknown): ParsedBusOptions {
  const parsed = parseWith(busOptions, options, 'openBus');
  if (parsed.store === undefined) return Object.freeze({ ...parsed, dir: parsed.dir ?? './data' });
  if (parsed.dir === undefined) return Object.freeze(parsed);
  throw optionInvalid('openBus', 'dir', 'has no meaning with a store, which keeps the logs');
}

/** `undefined` if system events are off. */
export function systemEventOptions(parsed: ParsedBusOptions): SystemEventOptions | undefined {
  const { systemEvents } = parsed;
  if (systemEvents === false) return undefined;
  if (systemEvents !== true) return systemEvents;
  return { persist: false, healthIntervalMs: HEALTH_INTERVAL_MS, metricsIntervalMs: 0 };
}

/** The shards of a new directory: one core is left to the threads that publish and subscribe. */
export function defaultShards(): number {
  return Math.min(SHARDS_MAX, Math.max(1, availableParallelism() - 1));
}
