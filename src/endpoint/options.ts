/** Options: checked once, completed with the defaults, frozen. Every fault is told with the offending value. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import * as v from 'valibot';
import type { OverflowPolicy, SubscribeFrom, SubscribeOptions } from '../protocol/bus-api.js';
import { isTopicDefinition, type TopicDefinition } from '../protocol/define-topic.js';
import type { BusError } from '../protocol/errors.js';
import { nameFault } from '../protocol/event-fields.js';
import {
  COMMIT_BATCH_EVENTS,
  CREDIT_EVENTS,
  CREDIT_PER_BUFFERED_EVENT,
  DEDUPE_IDS_MAX,
  DEDUPE_WINDOW_MS,
  HEALTH_INTERVAL_MS,
  PAYLOAD_BYTES_MAX,
  PUBLISH_WAIT_MS,
  RING_BYTES,
  RING_BYTES_MAX,
  RING_BYTES_MIN,
  SHARDS_MAX,
  SUBSCRIBER_BUFFER_EVENTS,
  TIMER_MS_MAX,
} from '../protocol/limits.js';
import { objectOf } from '../protocol/object-schema.js';
import {
  aFunction,
  anAbortSignal,
  checkOptions,
  type OptionCheck,
  OVERFLOW_POLICIES,
  optionInvalid,
  optionsInvalid,
  subscribeChecks,
  trueOrFalse,
  wholeNumber,
} from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import { schemaFault } from '../protocol/schema-fault.js';
import { parseTimestamp, timestampFault } from '../protocol/timestamp.js';
import { patternFault } from '../protocol/topic.js';
import type { BackupProgress } from '../store/backup.js';
import type { BackupOptions, PruneOptions } from './bus-endpoint.js';
import type { SystemEventOptions } from './system-events.js';

const MEMORY = ':memory:';

/** In the words of those options that are checked without a schema. */
const checked = <T>(check: OptionCheck) =>
  v.custom<T>(
    (value) => check(value) === undefined,
    ({ input }) => check(input) ?? '',
  );
const wholeFrom = (least: number, greatest: number) =>
  checked<number>(wholeNumber(least, greatest));
const yesOrNo = checked<boolean>(trueOrFalse);

const pattern = v.pipe(
  v.string(),
  v.check(
    (text) => patternFault(text) === undefined,
    (issue) => patternFault(issue.input) ?? 'not a pattern',
  ),
);

const retentionRule = v.pipe(
  objectOf({
    pattern: v.optional(pattern, '*'),
    maxAgeMs: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
    maxEvents: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
    maxBytes: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
  }),
  v.check(
    ({ maxAgeMs, maxEvents, maxBytes }) => (maxAgeMs ?? maxEvents ?? maxBytes) !== undefined,
    'needs maxAgeMs, maxEvents or maxBytes',
  ),
);

/**
 * Pinned to the working directory of now: threads that start later, and every file, are found by it. SQLite's bindings
 * trim what they are given and know names of their own, which an absolute path is never taken for.
 */
const path = v.pipe(
  v.string(),
  v.minLength(1),
  v.check((text) => !text.includes('\0'), 'has a NUL in it'),
  v.transform((text) => (text === MEMORY ? text : resolve(text))),
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

const busOptions = objectOf({
  dir: v.optional(path, './data'),
  shards: v.optional(wholeFrom(1, SHARDS_MAX)),
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
  ringBytes: v.optional(
    v.pipe(
      wholeFrom(RING_BYTES_MIN, RING_BYTES_MAX),
      v.check((bytes) => (bytes & (bytes - 1)) === 0, 'has to be a power of two'),
    ),
    RING_BYTES,
  ),
  commitBatchEvents: v.optional(wholeFrom(1, COMMIT_BATCH_EVENTS), COMMIT_BATCH_EVENTS),
  maxPayloadBytes: v.optional(wholeFrom(1, 64 * PAYLOAD_BYTES_MAX), PAYLOAD_BYTES_MAX),
  publishWaitMs: v.optional(wholeFrom(0, TIMER_MS_MAX), PUBLISH_WAIT_MS),
  dedupeWindowMs: v.optional(wholeFrom(0, TIMER_MS_MAX), DEDUPE_WINDOW_MS),
  dedupeIdsMax: v.optional(wholeFrom(0, 10_000_000), DEDUPE_IDS_MAX),
  maxShardBytes: v.optional(wholeFrom(1, Number.MAX_SAFE_INTEGER)),
  topics: v.optional(
    v.array(v.custom<TopicDefinition>(isTopicDefinition, 'has to be made by defineTopic')),
    [],
  ),
  systemEvents: v.optional(systemEvents, true),
  onError: v.optional(checked<(error: BusError) => void>(aFunction)),
});

export type ParsedBusOptions = Readonly<v.InferOutput<typeof busOptions>>;

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseBusOptions(options: unknown): ParsedBusOptions {
  return Object.freeze(parseWith(busOptions, options, 'openBus'));
}

/** `undefined`: the bus is silent about itself. */
export function systemEventOptions(parsed: ParsedBusOptions): SystemEventOptions | undefined {
  const { systemEvents } = parsed;
  if (systemEvents === false) return undefined;
  if (systemEvents !== true) return systemEvents;
  return { persist: false, healthIntervalMs: HEALTH_INTERVAL_MS, metricsIntervalMs: 0 };
}

export function isMemory(dir: string): boolean {
  return dir === MEMORY;
}

/** For a new directory: one core is left to the threads that publish and subscribe. */
export function defaultShards(): number {
  return Math.min(SHARDS_MAX, Math.max(1, availableParallelism() - 1));
}

const abortSignal = checked<AbortSignal>(anAbortSignal);

const SUBSCRIBE_CHECKS = new Map(subscribeChecks(OVERFLOW_POLICIES));

export interface ParsedSubscribeOptions {
  readonly from: SubscribeFrom;
  readonly overflow: OverflowPolicy;
  readonly maxBuffer: number;
  readonly name: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Events that each shard may have sent and not seen consumed. */
  readonly window: number;
}

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseSubscribeOptions(options: SubscribeOptions = {}): ParsedSubscribeOptions {
  checkOptions('subscribe', options, SUBSCRIBE_CHECKS);
  const { from = 'now', overflow = 'catch-up', name, signal } = options;
  const { maxBuffer = SUBSCRIBER_BUFFER_EVENTS } = options;
  const window = Math.min(CREDIT_EVENTS, CREDIT_PER_BUFFERED_EVENT * maxBuffer);
  return Object.freeze({ from, overflow, maxBuffer, name, signal, window });
}

const timestamp = v.custom<Date | string>(
  (value) => timestampFault(value) === undefined,
  (issue) => timestampFault(issue.input) ?? 'not a time',
);

const pruneOptions = v.pipe(
  objectOf({
    pattern: v.optional(pattern, '*'),
    before: v.optional(timestamp),
    maxEvents: v.optional(wholeFrom(0, Number.MAX_SAFE_INTEGER)),
    maxBytes: v.optional(wholeFrom(0, Number.MAX_SAFE_INTEGER)),
    signal: v.optional(abortSignal),
  }),
  v.check(
    ({ before, maxEvents, maxBytes }) => (before ?? maxEvents ?? maxBytes) !== undefined,
    'needs before, maxEvents or maxBytes',
  ),
);

export interface ParsedPruneOptions {
  readonly pattern: string;
  readonly beforeMs: number | undefined;
  readonly maxEvents: number | undefined;
  readonly maxBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parsePruneOptions(options: PruneOptions): ParsedPruneOptions {
  const { pattern: topics, before, ...limits } = parseWith(pruneOptions, options, 'prune');
  const { maxEvents, maxBytes, signal } = limits;
  const beforeMs = before === undefined ? undefined : parseTimestamp(before);
  return Object.freeze({ pattern: topics, beforeMs, maxEvents, maxBytes, signal });
}

const backupOptions = objectOf({
  dir: path,
  signal: v.optional(abortSignal),
  onProgress: v.optional(checked<(progress: BackupProgress) => void>(aFunction)),
});

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseBackupOptions(dir: string, options: BackupOptions) {
  const parsed = parseWith(backupOptions, { ...options, dir }, 'backup');
  if (parsed.dir === MEMORY)
    throw optionInvalid('backup', 'dir', `has to be a directory, not ${MEMORY}`);
  return parsed;
}

function parseWith<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  call: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => ({
    path: v.getDotPath(issue) ?? '',
    message: withValue(schemaFault(issue), issue),
  }));
  throw optionsInvalid(call, faults);
}

/** A fault names the offending value, unless the path has named it or it is a whole object. */
function withValue(message: string, { input, expected }: v.BaseIssue<unknown>): string {
  const value = quote(input);
  const isTold = expected === 'never' || isPlainObject(input) || message.includes(value);
  return isTold ? message : `${message}, not ${value}`;
}

function isPlainObject(input: unknown): boolean {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}
