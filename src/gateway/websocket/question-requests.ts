import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import { DoorFailure, RawAnswer } from '../../endpoint/internals.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import {
  QUESTIONS_PER_RESPONDER_MAX,
  REQUESTS_PER_ASKER_MAX,
  RESPONDERS_PER_CONNECTION_MAX,
} from '../../protocol/limits/requests.js';
import { quote } from '../../protocol/quote.js';
import { type Responder, responderLost } from '../../protocol/requests.js';
import type { ClientFrame, RequestId } from '../../protocol/wire.js';
import type { Places } from '../budget/places.js';
import { errorData } from '../error-data.js';
import type { EventTexts } from '../event-texts.js';
import { askPermitted, assertMayRespond, placesOfRequest } from '../questions.js';
import { frameText } from './frames.js';
import type { Outbound } from './outbound.js';

/**
 * The questions that one connection asks, and its responders. A request does not count among the connection's requests
 * while it waits: the same client may have to answer it.
 */

type QuestionFrame = Extract<
  ClientFrame,
  { type: 'request' | 'respond' | 'endRespond' | 'answer' | 'abandon' }
>;
type FrameOf<T extends QuestionFrame['type']> = Extract<QuestionFrame, { type: T }>;

const QUESTION_TYPES: ReadonlySet<ClientFrame['type']> = new Set<QuestionFrame['type']>([
  'request',
  'respond',
  'endRespond',
  'answer',
  'abandon',
]);

export function isQuestionFrame(frame: ClientFrame): frame is QuestionFrame {
  return QUESTION_TYPES.has(frame.type);
}

export interface QuestionAsker {
  readonly principal: Principal;
  readonly rates: ConnectionRates;
  readonly texts: EventTexts;
  readonly places: Places;
}

/** What answers questions of a pattern. It may have given its name away, and still have some in hand. */
interface Serving {
  readonly name: string;
  readonly pattern: string;
  /** What it has in hand is lost, and what still comes. */
  isDropped: boolean;
  /** Gives its place back. */
  readonly leave: () => void;
}

/** A question that the client has. It counts until the client answers, also where nobody waits for that any more. */
interface InHand {
  readonly topic: string;
  readonly serving: Serving;
  resolve(answer: RawAnswer): void;
  reject(failure: DoorFailure): void;
}

export class QuestionRequests {
  readonly #endpoint: BusEndpoint;
  /** The client with its present grants. */
  readonly #asker: () => QuestionAsker;
  readonly #outbound: Outbound;
  /** Those that take questions, by name. */
  readonly #named = new Map<string, Serving>();
  /** The same, and those that only answer what they have. */
  readonly #responders = new Map<Serving, Responder>();
  readonly #inHand = new Map<number, InHand>();
  /** The requests of this client that wait. */
  readonly #waiting = new Set<AbortController>();
  /** The same by their ids; of those with the same id, the last. */
  readonly #asked = new Map<RequestId, AbortController>();
  #lastQuestion = 0;
  #isGone = false;

  constructor(endpoint: BusEndpoint, asker: () => QuestionAsker, outbound: Outbound) {
    this.#endpoint = endpoint;
    this.#asker = asker;
    this.#outbound = outbound;
  }

  /** Rejects with the `BusError` of a refusal. */
  async answer(frame: QuestionFrame): Promise<void> {
    switch (frame.type) {
      case 'request':
        return this.#request(frame);
      case 'respond':
        return this.#respond(frame);
      case 'endRespond':
        return this.#endRespond(frame);
      case 'answer':
        return this.#answered(frame);
      case 'abandon':
        this.#asked.get(frame.payload.request)?.abort();
    }
  }

  /** Ends the responders whose questions a new token does not let the client read and answer. */
  renew(principal: Principal): void {
    for (const serving of [...this.#responders.keys()]) {
      try {
        assertMayRespond(principal, serving.pattern);
      } catch {
        this.#drop(serving);
      }
    }
  }

  close(): void {
    this.#isGone = true;
    for (const over of this.#waiting) over.abort();
    for (const serving of [...this.#responders.keys()]) this.#drop(serving);
  }

  #request({ payload, requestId }: FrameOf<'request'>): void {
    const { principal, rates, places } = this.#asker();
    const { event, timeoutMs } = payload;
    rates.publish(1);
    if (this.#waiting.size >= REQUESTS_PER_ASKER_MAX) {
      throw limit(
        `this connection has ${this.#waiting.size} requests that wait`,
        REQUESTS_PER_ASKER_MAX,
      );
    }
    const leave = placesOfRequest(places, event);
    const over = new AbortController();
    const { signal } = over;
    this.#waiting.add(over);
    if (requestId !== undefined) this.#asked.set(requestId, over);
    const options = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    askPermitted(this.#endpoint, principal, event, options)
      .then((answer) => {
        if (!signal.aborted) this.#sendAnswer(answer, requestId);
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.#outbound.send(frameText('error', errorData(error), requestId));
      })
      .finally(() => {
        leave();
        this.#waiting.delete(over);
        if (requestId !== undefined && this.#asked.get(requestId) === over) {
          this.#asked.delete(requestId);
        }
      });
  }

  #sendAnswer(answer: Event, requestId: RequestId | undefined): void {
    const identity = requestId === undefined ? '' : `"requestId":${JSON.stringify(requestId)},`;
    const { text } = this.#asker().texts.of(answer);
    this.#outbound.send(`{"type":"answered",${identity}"payload":{"event":${text}}}`);
  }

  async #respond({ payload, requestId }: FrameOf<'respond'>): Promise<void> {
    const { responder: name, pattern } = payload;
    const { principal, rates, places } = this.#asker();
    assertMayRespond(principal, pattern);
    rates.subscribe();
    if (this.#named.has(name)) {
      const message = `this connection has a responder ${quote(name)} already`;
      throw new BusError('SUBSCRIPTION_EXISTS', message, { details: { responder: quote(name) } });
    }
    if (this.#responders.size >= RESPONDERS_PER_CONNECTION_MAX) {
      const text = `this connection has ${this.#responders.size} responders`;
      throw limit(text, RESPONDERS_PER_CONNECTION_MAX);
    }
    const serving = { name, pattern, isDropped: false, leave: places.take('responders') };
    const responder = this.#endpoint.respond(pattern, (question, { signal }) =>
      this.#hand(serving, question, signal),
    );
    this.#named.set(name, serving);
    this.#responders.set(serving, responder);
    try {
      await responder.ready;
      // The token may have been renewed meanwhile.
      assertMayRespond(this.#asker().principal, pattern);
    } catch (error) {
      this.#drop(serving);
      throw error;
    }
    this.#outbound.send(frameText('responding', { responder: name }, requestId));
  }

  /** Takes no further questions; the client answers those that it has before the server says so. */
  async #endRespond({ payload, requestId }: FrameOf<'endRespond'>): Promise<void> {
    const { responder: name } = payload;
    const serving = this.#named.get(name);
    if (serving === undefined) {
      const message = `this connection has no responder ${quote(name)}`;
      throw new BusError('SUBSCRIPTION_UNKNOWN', message, { details: { responder: quote(name) } });
    }
    this.#named.delete(name);
    // Not awaited: the client's answers come over this connection too, and must not wait behind this request.
    void this.#responders
      .get(serving)!
      .stop()
      .then(() => {
        serving.leave();
        this.#responders.delete(serving);
        if (this.#isGone) return;
        this.#outbound.send(frameText('respondEnded', { responder: name }, requestId));
      });
  }

  /** Sends a question to the client, and waits for its answer. */
  #hand(serving: Serving, event: Event, signal: AbortSignal): Promise<RawAnswer> {
    // It was on its way when the client lost its right to it, or went.
    if (serving.isDropped) return Promise.reject(new DoorFailure(responderLost(event.topic)));
    if (this.#inHand.size >= QUESTIONS_PER_RESPONDER_MAX) {
      const text = `the connection of the responder has ${this.#inHand.size} questions in hand`;
      return Promise.reject(new DoorFailure(limit(text, QUESTIONS_PER_RESPONDER_MAX)));
    }
    const number = ++this.#lastQuestion;
    const head = `{"responder":${JSON.stringify(serving.name)},"question":${number}`;
    const { text } = this.#asker().texts.of(event);
    const onAbort = (): void => {
      this.#outbound.send(frameText('questionOver', { question: number }));
    };
    signal.addEventListener('abort', onAbort);
    return new Promise<RawAnswer>((resolve, reject) => {
      this.#inHand.set(number, { topic: event.topic, serving, resolve, reject });
      this.#outbound.send(`{"type":"question","payload":${head},"event":${text}}}`);
    }).finally(() => {
      this.#inHand.delete(number);
      signal.removeEventListener('abort', onAbort);
    });
  }

  /** One that comes too late is dropped by those who hand questions out. */
  #answered({ payload }: FrameOf<'answer'>): void {
    const held = this.#inHand.get(payload.question);
    if (held === undefined) return;
    if ('error' in payload) {
      const { message, code } = payload.error;
      const details = { topic: held.topic, ...(code === undefined ? {} : { code }) };
      held.reject(new DoorFailure(new BusError('RESPONDER_FAILED', message, { details })));
    } else {
      held.resolve(new RawAnswer(payload, this.#asker().principal.forcedSource));
    }
  }

  /** At once: what its client has in hand is lost. */
  #drop(serving: Serving): void {
    serving.isDropped = true;
    serving.leave();
    void this.#responders.get(serving)?.stop();
    this.#responders.delete(serving);
    if (this.#named.get(serving.name) === serving) this.#named.delete(serving.name);
    for (const held of [...this.#inHand.values()]) {
      if (held.serving === serving) held.reject(new DoorFailure(responderLost(held.topic)));
    }
  }
}

function limit(what: string, most: number): BusError {
  return new BusError('LIMIT_EXCEEDED', `${what}, and ${most} is the limit`, {
    details: { limit: most },
  });
}
