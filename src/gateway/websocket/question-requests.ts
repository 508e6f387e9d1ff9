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
import { errorData } from '../error-data.js';
import type { EventTexts } from '../event-texts.js';
import { askPermitted, assertMayRespond } from '../questions.js';
import { frameText } from './frames.js';
import type { Outbound } from './outbound.js';

/**
 * The questions that one connection asks, and its responders. A request does not count among the connection's requests
 * while it waits: the same client may have to answer it.
 */

type QuestionFrame = Extract<
  ClientFrame,
  { type: 'request' | 'respond' | 'endRespond' | 'answer' }
>;
type FrameOf<T extends QuestionFrame['type']> = Extract<QuestionFrame, { type: T }>;

export function isQuestionFrame(frame: ClientFrame): frame is QuestionFrame {
  const { type } = frame;
  return type === 'request' || type === 'respond' || type === 'endRespond' || type === 'answer';
}

export interface QuestionAsker {
  readonly principal: Principal;
  readonly rates: ConnectionRates;
  readonly texts: EventTexts;
}

interface InHand {
  readonly topic: string;
  readonly responder: string;
  resolve(answer: RawAnswer): void;
  reject(failure: DoorFailure): void;
}

export class QuestionRequests {
  readonly #endpoint: BusEndpoint;
  /** The client with its present grants. */
  readonly #asker: () => QuestionAsker;
  readonly #outbound: Outbound;
  readonly #responders = new Map<string, Responder>();
  readonly #inHand = new Map<number, InHand>();
  /** Aborts with the connection: nobody waits for its answers. */
  readonly #gone = new AbortController();
  #lastQuestion = 0;
  #waiting = 0;

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
    }
  }

  /** Ends the responders whose questions a new token does not let the client read and answer. */
  renew(principal: Principal): void {
    for (const [name, { pattern }] of [...this.#responders]) {
      try {
        assertMayRespond(principal, pattern);
      } catch {
        this.#drop(name);
      }
    }
  }

  close(): void {
    this.#gone.abort();
    for (const name of [...this.#responders.keys()]) this.#drop(name);
  }

  #request({ payload, requestId }: FrameOf<'request'>): void {
    const { principal, rates } = this.#asker();
    const { event, timeoutMs } = payload;
    rates.publish(1);
    if (this.#waiting >= REQUESTS_PER_ASKER_MAX) {
      throw limit(
        `this connection has ${this.#waiting} requests that wait`,
        REQUESTS_PER_ASKER_MAX,
      );
    }
    const { signal } = this.#gone;
    this.#waiting++;
    const options = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    askPermitted(this.#endpoint, principal, event, options)
      .then((answer) => this.#sendAnswer(answer, requestId))
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.#outbound.send(frameText('error', errorData(error), requestId));
      })
      .finally(() => this.#waiting--);
  }

  #sendAnswer(answer: Event, requestId: RequestId | undefined): void {
    const identity = requestId === undefined ? '' : `"requestId":${JSON.stringify(requestId)},`;
    const { text } = this.#asker().texts.of(answer);
    this.#outbound.send(`{"type":"answered",${identity}"payload":{"event":${text}}}`);
  }

  async #respond({ payload, requestId }: FrameOf<'respond'>): Promise<void> {
    const { responder: name, pattern } = payload;
    const { principal, rates } = this.#asker();
    assertMayRespond(principal, pattern);
    rates.subscribe();
    if (this.#responders.has(name)) {
      const message = `this connection has a responder ${quote(name)} already`;
      throw new BusError('SUBSCRIPTION_EXISTS', message, { details: { responder: quote(name) } });
    }
    if (this.#responders.size >= RESPONDERS_PER_CONNECTION_MAX) {
      const text = `this connection has ${this.#responders.size} responders`;
      throw limit(text, RESPONDERS_PER_CONNECTION_MAX);
    }
    const responder = this.#endpoint.respond(pattern, (question, { signal }) =>
      this.#hand(name, question, signal),
    );
    this.#responders.set(name, responder);
    try {
      await responder.ready;
      // The token may have been renewed meanwhile.
      assertMayRespond(this.#asker().principal, pattern);
    } catch (error) {
      this.#drop(name);
      throw error;
    }
    this.#outbound.send(frameText('responding', { responder: name }, requestId));
  }

  /** Takes no further questions; the client answers those that it has before the server says so. */
  async #endRespond({ payload, requestId }: FrameOf<'endRespond'>): Promise<void> {
    const { responder: name } = payload;
    const responder = this.#responders.get(name);
    if (responder === undefined) {
      const message = `this connection has no responder ${quote(name)}`;
      throw new BusError('SUBSCRIPTION_UNKNOWN', message, { details: { responder: quote(name) } });
    }
    this.#responders.delete(name);
    // Not awaited: the client's answers come over this connection too, and must not wait behind this request.
    void responder.stop().then(() => {
      this.#outbound.send(frameText('respondEnded', { responder: name }, requestId));
    });
  }

  /** Sends a question to the client, and waits for its answer. */
  #hand(responder: string, event: Event, signal: AbortSignal): Promise<RawAnswer> {
    if (this.#inHand.size >= QUESTIONS_PER_RESPONDER_MAX) {
      const text = `the connection of the responder has ${this.#inHand.size} questions in hand`;
      return Promise.reject(new DoorFailure(limit(text, QUESTIONS_PER_RESPONDER_MAX)));
    }
    const number = ++this.#lastQuestion;
    const head = `{"responder":${JSON.stringify(responder)},"question":${number}`;
    const { text } = this.#asker().texts.of(event);
    const onAbort = (): void => {
      this.#outbound.send(frameText('questionOver', { question: number }));
      this.#inHand.get(number)?.reject(new DoorFailure(responderLost(event.topic)));
    };
    signal.addEventListener('abort', onAbort);
    return new Promise<RawAnswer>((resolve, reject) => {
      this.#inHand.set(number, { topic: event.topic, responder, resolve, reject });
      this.#outbound.send(`{"type":"question","payload":${head},"event":${text}}}`);
    }).finally(() => {
      this.#inHand.delete(number);
      signal.removeEventListener('abort', onAbort);
    });
  }

  /** An answer that comes too late is dropped. */
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
  #drop(name: string): void {
    const responder = this.#responders.get(name);
    this.#responders.delete(name);
    void responder?.stop();
    for (const held of [...this.#inHand.values()]) {
      if (held.responder === name) held.reject(new DoorFailure(responderLost(held.topic)));
    }
  }
}

function limit(what: string, most: number): BusError {
  return new BusError('LIMIT_EXCEEDED', `${what}, and ${most} is the limit`, {
    details: { limit: most },
  });
}
