import { BusError } from './errors.js';
import type { Event } from './event.js';
import {
  REQUEST_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS_MAX,
  RESPONDER_MESSAGE_LENGTH_MAX,
} from './limits/requests.js';
import {
  aFunction,
  anAbortSignal,
  checkOptions,
  type OptionChecks,
  optionInvalid,
  wholeNumber,
} from './options.js';
import { quote } from './quote.js';
import { messageOf } from './thrown.js';
import { assertPattern } from './topic.js';

/**
 * Questions and their answers, for the bus, its clients and the doors. A question is an event that is not stored and goes
 * to one responder; its answer goes to the asker alone. Any thread, and browsers.
 */

export interface RequestOptions {
  /** How long to wait for the answer, 1 to 86,400,000 ms. Default 5000. */
  timeoutMs?: number;
  /** Gives up with `ABORTED` once it aborts. Default: none. */
  signal?: AbortSignal;
}

export interface RespondOptions {
  /** Stops the responder once it aborts. Default: none. */
  signal?: AbortSignal;
}

export interface QuestionContext {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Answers a question by what it returns, a JSON value; `undefined` is `null`. */
export type QuestionHandler<P = unknown> = (
  question: Event<P>,
  context: QuestionContext,
) => unknown;

/** Answers the questions on the topics that a pattern matches. */
export interface Responder extends AsyncDisposable {
  readonly pattern: string;
  /** Resolves once questions reach it. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended; rejects if it could not go on. */
  readonly closed: Promise<void>;
  /** How many questions its handler is at. */
  readonly inFlight: number;
  /** Takes no further questions, and resolves when those in hand are answered. */
  stop(): Promise<void>;
}

const REQUEST_CHECKS: OptionChecks = new Map([
  ['timeoutMs', wholeNumber(1, REQUEST_TIMEOUT_MS_MAX)],
  ['signal', anAbortSignal],
]);
const RESPOND_CHECKS: OptionChecks = new Map([['signal', anAbortSignal]]);

/** @throws BusError `OPTION_INVALID`, `ABORTED` */
export function parseRequestOptions(options: RequestOptions): {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
} {
  checkOptions('request', options, REQUEST_CHECKS);
  const { timeoutMs = REQUEST_TIMEOUT_MS, signal } = options;
  if (signal?.aborted) throw requestAborted(signal);
  return { timeoutMs, signal };
}

/** @throws BusError `PATTERN_INVALID`, `OPTION_INVALID` */
export function checkRespond(pattern: unknown, handler: unknown, options: RespondOptions): void {
  checkOptions('respond', options, RESPOND_CHECKS);
  const fault = aFunction(handler);
  if (fault !== undefined) throw optionInvalid('respond', 'handler', fault);
  assertRespondPattern(pattern);
}

/** @throws BusError `PATTERN_INVALID`: also for topics of the bus's own, on which nobody can ask */
export function assertRespondPattern(pattern: unknown): asserts pattern is string {
  assertPattern(pattern as string);
  if (!(pattern as string).startsWith('$')) return;
  const message = `pattern ${quote(pattern)} is of the bus's own topics, on which nobody can ask`;
  throw new BusError('PATTERN_INVALID', message, { details: { pattern } });
}

export function requestAborted(signal: AbortSignal): BusError {
  return new BusError('ABORTED', 'the request was given up', { cause: signal.reason });
}

export function requestTimeout(topic: string, timeoutMs: number): BusError {
  const message = `no answer on ${quote(topic)} within ${timeoutMs} ms`;
  return new BusError('REQUEST_TIMEOUT', message, { details: { topic, timeoutMs } });
}

export function noResponders(topic: string): BusError {
  const message = `nobody answers questions on ${quote(topic)}`;
  return new BusError('NO_RESPONDERS', message, { details: { topic } });
}

export function responderLost(topic: string): BusError {
  const message = `the responder on ${quote(topic)} has gone; it may have begun with the question`;
  return new BusError('RESPONDER_LOST', message, { details: { topic } });
}

/** What the asker is told of a handler that failed. */
export function responderFailure(topic: string, thrown: unknown): BusError {
  const message = messageOf(thrown).slice(0, RESPONDER_MESSAGE_LENGTH_MAX);
  const details = thrown instanceof BusError ? { topic, code: thrown.code } : { topic };
  return new BusError('RESPONDER_FAILED', message, { details });
}
