import { BusError } from './errors.js';
import { SCHEDULED_LIMIT, SCHEDULED_LIMIT_MAX } from './limits/schedules.js';
import {
  checkOptions,
  type OptionCheck,
  type OptionChecks,
  optionInvalid,
  wholeNumber,
} from './options.js';
import { quote } from './quote.js';
import { assertPattern } from './topic.js';

/** Publishes that wait for their time: what is asked about them, by whom, and what is answered. */

export interface ScheduledQuery {
  /** Patterns of the topics. Default `*`. */
  topic?: string | readonly string[];
  /** Only publishes with this id. Default: any. */
  id?: string;
  /** The most publishes of one page, 1 to 1000. Default 100. */
  limit?: number;
  /** `next` of the page before. Default: the first page. */
  after?: string;
}

/** A publish that waits for its time. Its payload is not shown: it is read once it is an event. */
export interface ScheduledPublish {
  readonly id: string;
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  readonly correlationId?: string;
  readonly shard: number;
  /** When it becomes an event, RFC 3339. */
  readonly deliverAt: string;
  /** When it was accepted, RFC 3339. */
  readonly publishedAt: string;
  /** Of its record. */
  readonly bytes: number;
}

export interface ScheduledPage {
  /** In the order of `deliverAt`. */
  readonly publishes: readonly ScheduledPublish[];
  /** `after` of the next page; absent: this was the last one. */
  readonly next?: string;
  /**
   * How many rows among these are damaged and left out, whatever their topics: they become no event, and `millrace
   * verify` names them. Absent: none is.
   */
  readonly damaged?: number;
}

export interface CancelOptions {
  /** The topic, where publishes on several topics wait under the same id. Default: whichever topic has it. */
  topic?: string;
  /** The `source`, where ids are the source's own (`idScope: 'source'`). Default: any. */
  source?: string;
}

/** The place of a waiting publish among those of all shards. */
export interface ScheduledPlace {
  readonly dueAt: number;
  readonly shard: number;
  readonly number: number;
}

export interface ParsedScheduledQuery {
  readonly patterns: readonly string[];
  readonly id: string | null;
  readonly limit: number;
  readonly after: ScheduledPlace | undefined;
}

const text: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' ? undefined : `has to be text, not ${quote(value)}`;

const patterns: OptionCheck = (value) =>
  typeof value === 'string' || Array.isArray(value)
    ? undefined
    : `has to be a pattern or an array of patterns, not ${quote(value)}`;

const QUERY_CHECKS: OptionChecks = new Map([
  ['topic', patterns],
  ['id', text],
  ['limit', wholeNumber(1, SCHEDULED_LIMIT_MAX)],
  ['after', text],
]);

const CANCEL_CHECKS: OptionChecks = new Map([
  ['topic', text],
  ['source', text],
]);

/** @throws BusError `OPTION_INVALID`, `PATTERN_INVALID` */
export function parseScheduledQuery(query: ScheduledQuery): ParsedScheduledQuery {
  checkOptions('scheduled', query, QUERY_CHECKS);
  const { topic = '*', id = null, limit = SCHEDULED_LIMIT, after } = query;
  const wanted = typeof topic === 'string' ? [topic] : [...topic];
  for (const pattern of wanted) assertPattern(pattern);
  return { patterns: wanted, id, limit, after: after === undefined ? undefined : placeOf(after) };
}

/** @throws BusError `OPTION_INVALID` */
export function checkCancel(id: string, options: CancelOptions): void {
  if (typeof id !== 'string' || id === '') {
    throw optionInvalid('cancel', 'id', `has to be text, not ${quote(id)}`);
  }
  checkOptions('cancel', options, CANCEL_CHECKS);
}

export function placeText({ dueAt, shard, number }: ScheduledPlace): string {
  return `${dueAt}.${shard}.${number}`;
}

function placeOf(after: string): ScheduledPlace {
  const match = /^(\d{1,15})\.(\d{1,3})\.(\d{1,15})$/.exec(after);
  if (match === null) {
    throw optionInvalid('scheduled', 'after', `${quote(after)} is not the next of a page`);
  }
  const [dueAt, shard, number] = match.slice(1).map(Number) as [number, number, number];
  return { dueAt, shard, number };
}

/** Several waiting publishes have the id that somebody wants to cancel. */
export function severalWait(id: string, found: readonly ScheduledPublish[]): BusError {
  const topics = [...new Set(found.map(({ topic }) => topic))];
  const by =
    topics.length > 1
      ? `on ${topics.length} topics or more: name its topic`
      : 'of several sources: name its source';
  return new BusError('CONFLICT', `publishes with the id ${id} wait ${by}`, {
    details: { id, topics, sources: [...new Set(found.map(({ source }) => source))] },
  });
}
