import type { Event } from '../protocol/event.js';
import { by } from './call.js';
import { fields, isNull, isNumber, isText } from './shapes.js';

/**
 * Calls by which questions and answers go between the threads of a bus: an endpoint asks the main thread, which asks the
 * endpoint of one responder. Payloads are JSON texts.
 */

export interface QuestionRecord extends Omit<Event, 'payload' | 'shard' | 'sequence' | 'cursor'> {
  readonly payload: string;
}

export interface AnswerRecord {
  readonly id: string;
  readonly source: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly payload: string;
}

/** A question for one of the endpoint's responders, by its number. */
export interface QuestionFor {
  readonly responder: number;
  readonly question: QuestionRecord;
}

const QUESTION = fields<QuestionRecord>({ id: isText, topic: isText, payload: isText });
const ANSWER = fields<AnswerRecord>({ id: isText, payload: isText });

export const REQUEST_CALLS = {
  /** The endpoint has a responder for a pattern from now on. */
  respond: by(
    'main',
    fields<{ readonly pattern: string; readonly responder: number }>({
      pattern: isText,
      responder: isNumber,
    }),
    isNull,
  ),
  /** It takes no further questions; those that it has are answered. */
  endRespond: by('main', fields<{ readonly responder: number }>({ responder: isNumber }), isNull),
  ask: by('main', fields<{ readonly question: QuestionRecord }>({ question: QUESTION }), ANSWER),
  question: by('gateway', fields<QuestionFor>({ responder: isNumber, question: QUESTION }), ANSWER),
};
