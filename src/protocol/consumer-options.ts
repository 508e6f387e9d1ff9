import type {
  AckDurability,
  AckOptions,
  NakOptions,
  PullOptions,
  RunOptions,
} from './consumers.js';
import {
  BACKOFF_MS_MAX,
  CONSUMER_CONCURRENCY_MAX,
  PULL_MAX,
  PULL_WAIT_MS_MAX,
  REASON_LENGTH_MAX,
} from './limits/consumers.js';
import {
  anAbortSignal,
  checkOptions,
  type OptionCheck,
  type OptionChecks,
  oneOf,
  optionInvalid,
  subscriptionName,
  trueOrFalse,
  wholeNumber,
} from './options.js';
import { quote } from './quote.js';

/**
 * Checks the options of a consumer's calls, and completes them with their defaults. For the bus, its clients and the
 * doors; any thread, and browsers. All throw `OPTION_INVALID` with every fault in `details.faults`.
 */

export const RUN_CHECKS: OptionChecks = new Map([
  ['concurrency', wholeNumber(1, CONSUMER_CONCURRENCY_MAX)],
  ['prefetch', trueOrFalse],
  ['signal', anAbortSignal],
  ['name', subscriptionName],
]);

export interface ParsedRunOptions {
  readonly concurrency: number;
  readonly prefetch: boolean;
  readonly signal: AbortSignal | undefined;
  readonly name: string | undefined;
}

/**
 * With `maxAttempts` of 1 nothing is leased ahead unless asked: a death might leave an attempt uncounted, and the event
 * would be tried twice.
 */
export function parseRunOptions(options: RunOptions, maxAttempts: number): ParsedRunOptions {
  checkOptions('run', options, RUN_CHECKS);
  const { concurrency = 1, prefetch = maxAttempts > 1, signal, name } = options;
  return Object.freeze({ concurrency, prefetch, signal, name });
}

export const PULL_CHECKS: OptionChecks = new Map([
  ['max', wholeNumber(1, PULL_MAX)],
  ['waitMs', wholeNumber(0, PULL_WAIT_MS_MAX)],
]);

export function parsePullOptions(options: PullOptions): Required<PullOptions> {
  checkOptions('pull', options, PULL_CHECKS);
  const { max = 1, waitMs = 0 } = options;
  return Object.freeze({ max, waitMs });
}

export const ACK_CHECKS: OptionChecks = new Map([['durability', oneOf(['synced', 'written'])]]);

export function parseAckOptions(options: AckOptions, usual: AckDurability): AckDurability {
  checkOptions('ack', options, ACK_CHECKS);
  return options.durability ?? usual;
}

const reasonFault: OptionCheck = (value) =>
  typeof value === 'string' && value.length <= REASON_LENGTH_MAX
    ? undefined
    : `has to be text of at most ${REASON_LENGTH_MAX} characters, not ${quote(value)}`;

export const NAK_CHECKS: OptionChecks = new Map([
  ['delayMs', wholeNumber(0, BACKOFF_MS_MAX)],
  ['count', oneOf([false])],
  ['reason', reasonFault],
]);

export interface ParsedNakOptions {
  /** `undefined`: the consumer's backoff, or at once for a hand-back that costs no attempt. */
  readonly delayMs: number | undefined;
  readonly isCounted: boolean;
  readonly reason: string;
}

export function parseNakOptions(options: NakOptions): ParsedNakOptions {
  checkOptions('nak', options, NAK_CHECKS);
  const { delayMs, count, reason = '' } = options;
  return Object.freeze({ delayMs, isCounted: count !== false, reason });
}

/** The reason of a `term`. */
export function assertReason(reason: unknown): asserts reason is string {
  const fault = reasonFault(reason);
  if (fault !== undefined) throw optionInvalid('term', 'reason', fault);
}
