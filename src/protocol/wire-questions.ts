import * as v from 'valibot';
import type { Event } from './event.js';
import { SUBSCRIPTION_NAME_LENGTH_MAX } from './limits/bus-api.js';
import { isRequestId, type RequestId } from './wire-fields.js';

/**
 * The frames of questions and answers; a part of `wire.ts`, which has the schema of `request`. This file checks shapes; the
 * bus checks patterns and times, with codes of its own. Any thread.
 */

const responderName = v.pipe(v.string(), v.minLength(1), v.maxLength(SUBSCRIPTION_NAME_LENGTH_MAX));
const number = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER));
const answered = v.strictObject({ question: number, payload: v.unknown() });
const failed = v.strictObject({
  question: number,
  error: v.strictObject({ message: v.string(), code: v.exactOptional(v.string()) }),
});

export const QUESTION_SCHEMAS = {
  /** `responder`: the client's own name for it. */
  respond: v.strictObject({ responder: responderName, pattern: v.string() }),
  endRespond: v.strictObject({ responder: responderName }),
  /** Gets no answer. */
  answer: v.lazy((input) =>
    typeof input === 'object' && input !== null && 'error' in input ? failed : answered,
  ),
  /** Gets no answer, and neither does the `request` of this id of the client, if it still waits. */
  abandon: v.strictObject({
    request: v.custom<RequestId>(isRequestId, 'has to be the id of a request'),
  }),
} as const;

/** The payloads of the frames of a server. `responder` is the client's own name for one. */
export interface QuestionPayloads {
  answered: { readonly event: Event };
  responding: { readonly responder: string };
  respondEnded: { readonly responder: string };
  question: { readonly responder: string; readonly question: number; readonly event: Event };
  /** Nobody waits for the answer any more. */
  questionOver: { readonly question: number };
}
