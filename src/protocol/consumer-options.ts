import { decodeBase64Url, encodeBase64Url } from './base64url.js';
import type {
  AckDurability,
  AckOptions,
  NakOptions,
  PageOptions,
  PullOptions,
  RedriveOptions,
  RunOptions,
} from './consumers.js';
import {
  BACKOFF_MS_MAX,
  CONSUMER_CONCURRENCY_MAX,
  CONSUMER_PAGE,
  CONSUMER_PAGE_MAX,
  PULL_MAX,
  PULL_WAIT_MS_MAX,
  REASON_LENGTH_MAX,
  REDRIVE_IDS_MAX,
} from './limits/consumers.js';
import {
  anAbortSignal,
  checkOptions,
  consumerFromFault,
  type OptionCheck,
  type OptionChecks,
  oneOf,
  optionInvalid,
  subscriptionName,
  trueOrFalse,
  wholeNumber,
} from './options.js';
import { quote } from './quote.js';
import type { SubscribeFrom } from './subscribe-from.js';

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

const text: OptionCheck = (value) =>
  typeof value === 'string' ? undefined : `has to be text, not ${quote(value)}`;

export const PAGE_CHECKS: OptionChecks = new Map([
  ['after', text],
  ['limit', wholeNumber(1, CONSUMER_PAGE_MAX)],
]);

/** A place in a list over all shards: behind a sequence of one of them. */
export interface PagePlace {
  readonly shard: number;
  readonly after: number;
}

const FIRST_PLACE: PagePlace = { shard: 0, after: 0 };
const PLACE = /^(\d{1,3})\.(\d{1,16})$/;

/** The options of `open` and `dead`. */
export function parsePageOptions(
  call: string,
  options: PageOptions,
): { place: PagePlace; limit: number } {
  checkOptions(call, options, PAGE_CHECKS);
  const { after, limit = CONSUMER_PAGE } = options;
  if (after === undefined) return { place: FIRST_PLACE, limit };
  const bytes = decodeBase64Url(after);
  const [, shard, sequence] = PLACE.exec(String.fromCharCode(...(bytes ?? []))) ?? [];
  if (shard === undefined || !Number.isSafeInteger(Number(sequence))) {
    throw optionInvalid(call, 'after', `${quote(after)} is not the next of a page`);
  }
  return { place: { shard: Number(shard), after: Number(sequence) }, limit };
}

/** The text by which callers ask for the page that begins there. */
export function pageText({ shard, after }: PagePlace): string {
  return encodeBase64Url(Array.from(`${shard}.${after}`, (character) => character.charCodeAt(0)));
}

const idsFault: OptionCheck = (value) => {
  if (!Array.isArray(value)) return `has to be an array of ids, not ${quote(value)}`;
  if (value.length > REDRIVE_IDS_MAX) {
    return `has ${value.length} ids; ${REDRIVE_IDS_MAX} is the limit`;
  }
  const wrong = value.find((id) => typeof id !== 'string');
  return wrong === undefined ? undefined : `has ${quote(wrong)}, which is no id`;
};

export const REDRIVE_CHECKS: OptionChecks = new Map([
  ['dryRun', trueOrFalse],
  ['ids', idsFault],
]);

export function parseRedriveOptions(options: RedriveOptions): {
  readonly isDry: boolean;
  readonly ids: readonly string[] | undefined;
} {
  checkOptions('redrive', options, REDRIVE_CHECKS);
  const { dryRun = false, ids } = options;
  return { isDry: dryRun, ids: ids && [...new Set(ids)] };
}

/** The argument of `seek`; whether a cursor is valid is for the caller to find out. */
export function assertSeekFrom(from: unknown): asserts from is SubscribeFrom {
  const fault = consumerFromFault(from);
  if (fault !== undefined) throw optionInvalid('seek', 'from', fault);
}

/** The argument of `skip`. */
export function assertEventPlace(
  place: unknown,
): asserts place is { readonly shard: number; readonly sequence: number } {
  const { shard, sequence } = (place ?? {}) as { shard?: unknown; sequence?: unknown };
  for (const [name, value] of Object.entries({ shard, sequence })) {
    const fault = wholeNumber(0, Number.MAX_SAFE_INTEGER)(value);
    if (fault !== undefined) throw optionInvalid('skip', name, fault);
  }
}
