/**
 * The options of an endpoint's calls: checked once, completed with the defaults, frozen. Every fault names the
 * offending value.
 */
import * as v from 'valibot';
import type { OverflowPolicy, SubscribeOptions } from '../protocol/bus-api.js';
import { SUBSCRIBER_BUFFER_EVENTS } from '../protocol/limits/bus-api.js';
import { CREDIT_EVENTS, CREDIT_PER_BUFFERED_EVENT } from '../protocol/limits/links.js';
import { objectOf } from '../protocol/object-schema.js';
import {
  aFunction,
  anAbortSignal,
  checkOptions,
  OVERFLOW_POLICIES,
  optionInvalid,
  subscribeChecks,
} from '../protocol/options.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import { parseTimestamp, timestampFault } from '../protocol/timestamp.js';
import type { BackupProgress } from '../store/backup.js';
import type { BackupOptions, PruneOptions } from './bus-endpoint.js';
import {
  checked,
  isMemory,
  MEMORY,
  parseWith,
  path,
  pattern,
  wholeFrom,
} from './option-schemas.js';

const abortSignal = checked<AbortSignal>(anAbortSignal);

const SUBSCRIBE_CHECKS = new Map(subscribeChecks(OVERFLOW_POLICIES));

export interface ParsedSubscribeOptions {
  readonly from: SubscribeFrom;
  readonly overflow: OverflowPolicy;
  readonly maxBuffer: number;
  readonly name: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** How many events each shard may have sent and not seen consumed. */
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
  if (isMemory(parsed.dir)) {
    throw optionInvalid('backup', 'dir', `has to be a directory, not ${MEMORY}`);
  }
  return parsed;
}
