/**
 * Every call that one thread of a bus makes to another: its name, its server, its request and its answer. A new call is
 * one entry here, or in one of the files whose calls it spreads, and one method of its server.
 *
 * A call to a shard goes over the control ring, its answer over the delivery ring. A call to the main thread, or to a
 * thread that reads history, goes over a message port (`port-calls.ts`). The server checks the request and the caller
 * checks the answer. Both are of one build, so they check shapes, and look through no list.
 */
import type { AlertInfo, AlertList, AlertRule } from '../protocol/alerts.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';
import type { BackupResult, DefinitionInfo } from '../protocol/operations.js';
import type { ResolvedCursor } from '../store/cursor-positions.js';
import type { Page, PageRequest } from '../store/page.js';
import type { PatternTotals, PruneRequest, PruneStep } from '../store/pruning.js';
import { by, type Call, type Server } from './call.js';
import { CONSUMER_CALLS } from './consumer-calls.js';
import type { ReaderConnections } from './reader-mail.js';
import { REQUEST_CALLS } from './request-calls.js';
import { SCHEDULE_CALLS } from './schedule-calls.js';
import { SCHEDULED_CALLS } from './scheduled-calls.js';
import {
  fields,
  isBuffer,
  isList,
  isNull,
  isNumber,
  isPosition,
  isText,
  isTrueOrFalse,
} from './shapes.js';
import { SINK_CALLS } from './sink-calls.js';
import { SUBSCRIPTION_CALLS } from './subscription-calls.js';

export interface PatternsAfter {
  readonly patterns: readonly string[];
  /** The list goes on behind the topic of this number. */
  readonly after: number;
}

/** Asks for the last sequences of topics; only of those with `after` < sequence <= `until`. */
export interface LastsRequest {
  readonly patterns: readonly string[];
  /** The list goes on behind the topic of this number. */
  readonly topic: number;
  readonly after: number;
  readonly until: number;
}

/** A page of last sequences, in no order. It may be empty and not the last; it goes on behind topic `next`. */
export interface LastsPage {
  readonly sequences: readonly number[];
  readonly next: number | null;
}

/** A page of a list of topics, which have numbers. */
export interface TopicsPage {
  readonly topics: readonly TopicEntry[];
  readonly next: number | null;
}

export interface TopicEntry {
  readonly name: string;
  readonly events: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** The payload of an event that somebody is about to publish, as JSON. */
export interface PayloadToCheck {
  readonly topic: string;
  readonly payload: string;
}

/** The first payload that does not fit, by its place in the request, and why. */
export interface PayloadFault {
  readonly at: number;
  readonly error: ErrorData;
}

/** The connections of each gateway, as the JSON text of an array of `ConnectionInfo`. */
export interface ConnectionLists {
  readonly lists: readonly string[];
}

export interface Found {
  readonly isFound: boolean;
}

export interface Completeness {
  /** Every gateway has answered. */
  readonly isComplete: boolean;
}

/** Asks how many events have matched filters, since the shard's thread has known of each. */
export interface TallyRequest {
  /** Another number for other filters; never 0. */
  readonly version: number;
  readonly filters: readonly ParsedFilter[];
  /** The position of the last answer, up to which everything was told; null: begin with the present. */
  readonly after: number | null;
}

export interface TallyAnswer {
  /** The generation of the shard's thread. A new thread counts from 0. */
  readonly thread: number;
  /** The last sequence that is counted. */
  readonly position: number;
  /** In the order of the filters. */
  readonly tallies: readonly Tally[];
}

export interface Tally {
  readonly events: number;
  /** The topic of the last of them. */
  readonly lastTopic?: string;
  /** 0 for an ephemeral event. */
  readonly lastSequence?: number;
}

/** Asks for one page of a log. Over a port the page's records go by transfer. */
export interface ShardPageRequest {
  readonly shard: number;
  readonly request: PageRequest;
  /** The principal for which a gateway asks. */
  readonly owner?: string | undefined;
  /** The gateway is busy for other principals as well, whichever thread they make work. */
  readonly hasBusyOthers?: boolean | undefined;
}

const NOTHING = fields<object>({});
const TOTALS = { events: isNumber, bytes: isNumber };
const PRUNE = { pattern: isText, after: isPosition, excessEvents: isNumber, excessBytes: isNumber };
const PAGE_REQUEST = fields<PageRequest>({ after: isPosition, limit: isNumber });

export const CALLS = {
  /** The endpoint leaves: its subscriptions end, and the shard still takes the events that it has published. */
  leave: by('shard', NOTHING, isNull),
  /** The answer comes behind all events that were delivered before. */
  sync: by('shard', NOTHING, isNull),

  topics: by(
    'shard',
    fields<PatternsAfter>({ patterns: isList, after: isPosition }),
    fields<TopicsPage>({ topics: isList }),
  ),
  /** The sequence of the newest event of each matching topic that has events. */
  lasts: by(
    'shard',
    fields<LastsRequest>({
      patterns: isList,
      topic: isPosition,
      after: isPosition,
      until: isPosition,
    }),
    fields<LastsPage>({ sequences: isList }),
  ),
  /** Counts the events of the matching topics in the shard's log. */
  totals: by(
    'shard',
    fields<{ readonly pattern: string }>({ pattern: isText }),
    fields<PatternTotals>(TOTALS),
  ),
  /** Counts events for the rules of alerts; only the opener's endpoint asks. */
  tally: by(
    'shard',
    fields<TallyRequest>({ version: isNumber, filters: isList }),
    fields<TallyAnswer>({ thread: isNumber, position: isPosition, tallies: isList }),
  ),
  /** Does one step of a removal that somebody asked for. */
  pruneStep: by('shard', fields<PruneRequest>(PRUNE), fields<PruneStep>(TOTALS), true),

  ...SUBSCRIPTION_CALLS,
  ...CONSUMER_CALLS,
  ...SCHEDULED_CALLS,
  ...SINK_CALLS,
  ...SCHEDULE_CALLS,
  ...REQUEST_CALLS,

  page: by(
    'history',
    fields<ShardPageRequest>({ shard: isNumber, request: PAGE_REQUEST }),
    fields<Page>({ records: isBuffer, next: isPosition }),
  ),
  /** The answer is the last sequence that was recorded before a time in ms since 1970; 0 if there is none. */
  positionAt: by(
    'history',
    fields<{
      readonly shard: number;
      readonly timeMs: number;
      readonly owner?: string | undefined;
    }>({
      shard: isNumber,
      timeMs: isNumber,
    }),
    isPosition,
  ),

  resolveCursor: by(
    'main',
    fields<{ readonly cursor: string }>({ cursor: isText }),
    fields<ResolvedCursor>({ positions: isList, gaps: isList }),
  ),
  /** Hands over ports to the threads that read history, one to each. `ended`: threads that the caller has seen end. */
  connectReaders: by(
    'main',
    fields<{ readonly ended: readonly number[] }>({ ended: isList }),
    fields<ReaderConnections>({ ports: isList, threads: isList }),
  ),
  backup: by('main', fields<{ readonly dir: string }>({ dir: isText }), fields<BackupResult>({})),
  /** The topics with which the bus was opened. */
  definitions: by(
    'main',
    NOTHING,
    fields<{ readonly definitions: readonly DefinitionInfo[] }>({ definitions: isList }),
  ),
  /** Checks payloads by the definitions with which the bus was opened. */
  checkPayloads: by(
    'main',
    fields<{ readonly payloads: readonly PayloadToCheck[] }>({ payloads: isList }),
    fields<{ readonly fault: PayloadFault | null }>({}),
  ),
  /** The endpoint has so many gateways from now on, and answers for them. */
  announceGateways: by(
    'main',
    fields<{ readonly gateways: number }>({ gateways: isNumber }),
    isNull,
  ),
  /** Asks all gateways for their connections; a list is JSON text, which main only passes on. */
  allConnections: by(
    'main',
    NOTHING,
    fields<ConnectionLists & Completeness>({ lists: isList, isComplete: isTrueOrFalse }),
  ),
  disconnectAnywhere: by(
    'main',
    fields<{ readonly id: string }>({ id: isText }),
    fields<Found & Completeness>({ isFound: isTrueOrFalse, isComplete: isTrueOrFalse }),
  ),
  listConnections: by('gateway', NOTHING, fields<ConnectionLists>({ lists: isList })),
  /** Cuts a connection. */
  disconnect: by(
    'gateway',
    fields<{ readonly id: string }>({ id: isText }),
    fields<Found>({ isFound: isTrueOrFalse }),
  ),
  alerts: by('main', NOTHING, fields<AlertList>({ alerts: isList, transitions: isList })),
  setAlert: by(
    'main',
    fields<{ readonly rule: AlertRule }>({ rule: fields<AlertRule>({ name: isText }) }),
    fields<AlertInfo>({ name: isText, state: isText }),
  ),
  removeAlert: by(
    'main',
    fields<{ readonly name: string }>({ name: isText }),
    fields<{ readonly removed: boolean }>({}),
  ),
  /** The endpoint has left every shard. Main answers when it has crossed the endpoint off. */
  dismiss: by('main', NOTHING, isNull),
};

export type CallName = keyof typeof CALLS;
/** The names of the calls that `S` serves. */
export type NameOf<S extends Server> = {
  [N in CallName]: (typeof CALLS)[N]['servedBy'] extends S ? N : never;
}[CallName];
export type RequestOf<N extends CallName> =
  (typeof CALLS)[N] extends Call<Server, infer Request, unknown> ? Request : never;
export type AnswerOf<N extends CallName> =
  (typeof CALLS)[N] extends Call<Server, infer _, infer Answer> ? Answer : never;

/** One method for each call that `S` serves. */
export type Handlers<S extends Server, Context> = {
  [N in NameOf<S>]: (request: RequestOf<N>, context: Context) => Awaitable<AnswerOf<N>>;
};

/** The same methods, of a server that answers at once. */
export type PromptHandlers<S extends Server, Context> = {
  [N in NameOf<S>]: (request: RequestOf<N>, context: Context) => AnswerOf<N>;
};

type Awaitable<T> = T | Promise<T>;

/**
 * Serves a call that has come from another thread.
 * @throws BusError `INTERNAL` for a request that is no call to this server; and the error that the handler throws
 */
export function serve<Context>(
  handlers: object,
  name: string,
  request: unknown,
  context: Context,
): unknown {
  const handler = (handlers as Record<string, (request: unknown, context: Context) => unknown>)[
    name
  ];
  const isCall = Object.hasOwn(CALLS, name) && CALLS[name as CallName].request(request);
  if (handler === undefined || !isCall) {
    throw new BusError('INTERNAL', `the request of a call '${name}' is not what it should be`);
  }
  return handler.call(handlers, request, context);
}

/** @throws BusError `INTERNAL` for a value that is no answer to this call */
export function checkAnswer<N extends CallName>(name: N, answer: unknown): AnswerOf<N> {
  if (CALLS[name].answer(answer)) return answer as AnswerOf<N>;
  throw new BusError('INTERNAL', `the answer to a call '${name}' is not what it should be`);
}

const NAMES = Object.keys(CALLS) as CallName[];

/** A call's number on a ring, within one build. */
export function numberOf(name: CallName): number {
  return NAMES.indexOf(name);
}

export function nameOf(number: number): CallName {
  return NAMES[number]!;
}
