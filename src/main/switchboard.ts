import { watchSignal } from '../handout/watch-signal.js';
import type { Caller } from '../link/port-calls.js';
import type { AnswerRecord, QuestionRecord } from '../link/request-calls.js';
import type { RequestTotals } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import {
  QUESTIONS_PER_RESPONDER_MAX,
  REQUESTS_PENDING_LENGTH_MAX,
  REQUESTS_PENDING_MAX,
  RESPONDER_ROUTES_MAX,
  RESPONDERS_MAX,
} from '../protocol/limits/requests.js';
import { noResponders, responderLost } from '../protocol/requests.js';
import { matchesPattern } from '../protocol/topic.js';

/**
 * Connects askers and responders of all endpoints, in the thread that opened the bus. A question goes to the responder
 * that has the fewest in hand, and to nobody else: it is not asked again if that one fails or goes, as it may have begun.
 * The answer is that of the very call, so nobody else can give it.
 */

interface BoardResponder {
  readonly endpoint: string;
  readonly number: number;
  readonly pattern: string;
  readonly caller: Caller<'gateway'>;
  inFlight: number;
}

export class Switchboard {
  readonly #responders: BoardResponder[] = [];
  /** The responders of topics that were asked on lately. */
  readonly #routes = new Map<string, readonly BoardResponder[]>();
  #turn = 0;
  #pending = 0;
  #length = 0;
  readonly #count: (count: keyof RequestTotals, change: number) => void;

  /** `count` counts for `stats`. */
  constructor(count: (count: keyof RequestTotals, change: number) => void) {
    this.#count = count;
  }

  /** @throws BusError `LIMIT_EXCEEDED` */
  add(endpoint: string, number: number, pattern: string, caller: Caller<'gateway'>): void {
    if (this.#responders.length >= RESPONDERS_MAX) {
      throw limit(`${RESPONDERS_MAX} responders of the bus`, RESPONDERS_MAX);
    }
    this.#responders.push({ endpoint, number, pattern, caller, inFlight: 0 });
    this.#count('responders', 1);
    this.#routes.clear();
  }

  remove(endpoint: string, number?: number): void {
    for (let at = this.#responders.length - 1; at >= 0; at--) {
      const one = this.#responders[at]!;
      if (one.endpoint !== endpoint || (number !== undefined && one.number !== number)) continue;
      this.#responders.splice(at, 1);
      this.#count('responders', -1);
    }
    this.#routes.clear();
  }

  /**
   * @param signal aborts when the asker waits no more
   * @throws BusError `NO_RESPONDERS`, `RESPONDER_LOST`, `RESPONDER_FAILED`, `LIMIT_EXCEEDED`, `ABORTED`
   */
  async ask(question: QuestionRecord, signal: AbortSignal | undefined): Promise<AnswerRecord> {
    const { length } = question.payload;
    const responder = this.#choose(question.topic, length);
    this.#count('asked', 1);
    this.#count('pending', 1);
    this.#pending++;
    this.#length += length;
    try {
      const answer = await this.#call(responder, question, signal);
      this.#count('answered', 1);
      return answer;
    } catch (error) {
      this.#count('failed', 1);
      const isGone = error instanceof BusError && error.code === 'BUS_CLOSED';
      throw isGone ? responderLost(question.topic) : error;
    } finally {
      this.#pending--;
      this.#count('pending', -1);
      this.#length -= length;
    }
  }

  /**
   * The call, but no longer than the asker waits; the responder is told of the abort, and its answer dropped. It has the
   * question in hand until it answers all the same: its handler may run on.
   */
  #call(
    responder: BoardResponder,
    question: QuestionRecord,
    signal: AbortSignal | undefined,
  ): Promise<AnswerRecord> {
    const request = { responder: responder.number, question };
    responder.inFlight++;
    const answer = responder.caller.call('question', request, { signal }).finally(() => {
      responder.inFlight--;
    });
    if (signal === undefined) return answer;
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new BusError('ABORTED', 'the asker waits no more'));
      if (signal.aborted) gone();
      const forget = watchSignal(signal, gone);
      answer.then(resolve, reject).finally(forget);
    });
  }

  #choose(topic: string, length: number): BoardResponder {
    const route = this.#routeOf(topic);
    if (route.length === 0) {
      this.#count('noResponders', 1);
      throw noResponders(topic);
    }
    if (this.#pending >= REQUESTS_PENDING_MAX) {
      throw limit(`${this.#pending} requests wait for their answers`, REQUESTS_PENDING_MAX);
    }
    if (this.#pending > 0 && this.#length + length > REQUESTS_PENDING_LENGTH_MAX) {
      const text = `${this.#length} characters of questions wait for their answers`;
      throw limit(text, REQUESTS_PENDING_LENGTH_MAX);
    }
    const first = this.#turn++ % route.length;
    let chosen = route[first]!;
    for (let step = 1; step < route.length && chosen.inFlight > 0; step++) {
      const next = route[(first + step) % route.length]!;
      if (next.inFlight < chosen.inFlight) chosen = next;
    }
    if (chosen.inFlight >= QUESTIONS_PER_RESPONDER_MAX) {
      const text = `each responder on ${topic} has ${chosen.inFlight} questions in hand`;
      throw limit(text, QUESTIONS_PER_RESPONDER_MAX);
    }
    return chosen;
  }

  #routeOf(topic: string): readonly BoardResponder[] {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    const route = this.#responders.filter(({ pattern }) => matchesPattern(pattern, topic));
    if (this.#routes.size >= RESPONDER_ROUTES_MAX) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }
}

function limit(what: string, most: number): BusError {
  return new BusError('LIMIT_EXCEEDED', `${what}; ${most} is the limit`, {
    details: { limit: most },
  });
}
