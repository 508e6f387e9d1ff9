import { captureHandlerContext } from '#async-context';
import { RunningResponder } from '../../handout/running-responder.js';
import { watchSignal } from '../../handout/watch-signal.js';
import type { TopicDefinitions } from '../../protocol/define-topic.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput } from '../../protocol/event.js';
import { QUESTIONS_PER_RESPONDER_MAX } from '../../protocol/limits/requests.js';
import { inputPayloadText } from '../../protocol/payload.js';
import {
  checkRespond,
  parseRequestOptions,
  type QuestionHandler,
  type RequestOptions,
  type Responder,
  type RespondOptions,
  requestAborted,
  requestTimeout,
  responderFailure,
} from '../../protocol/requests.js';
import type { ServerFrame, ServerPayloads } from '../../protocol/wire.js';
import { type OutgoingLimits, outgoingEvent } from '../outgoing-event.js';
import type { Requests } from '../requests.js';

/**
 * The questions that a client asks, and its responders, which register anew over each connection. A question that was
 * sent over a connection that ended is not sent again, as it may have been answered.
 */

export interface ClientQuestionsHost {
  readonly requests: Requests;
  readonly source: string | undefined;
  readonly definitions: TopicDefinitions;
  limits(): OutgoingLimits;
  isConnected(): boolean;
  /** Sends a frame, if there is a connection. */
  send(frame: string): boolean;
}

interface RemoteResponder {
  readonly running: RunningResponder;
  /** Settles the promise of `ready`. */
  joined(): void;
  refused(error: Error): void;
  isJoined: boolean;
}

export class ClientQuestions {
  readonly #host: ClientQuestionsHost;
  readonly #responders = new Map<string, RemoteResponder>();
  /** Of the questions in hand, by their numbers over the present connection. */
  readonly #inHand = new Map<number, AbortController>();
  #lastResponder = 0;
  /** How many questions handlers have, those of connections that have ended included. */
  #atWork = 0;

  constructor(host: ClientQuestionsHost) {
    this.#host = host;
  }

  async request(input: EventInput, options: RequestOptions = {}): Promise<Event> {
    const { timeoutMs, signal } = parseRequestOptions(options);
    const { source, definitions, requests } = this.#host;
    const { text, topic } = outgoingEvent(input, source, definitions, this.#host.limits());
    return new Promise<Event>((resolve, reject) => {
      const timer = setTimeout(() => end(requestTimeout(topic, timeoutMs)), timeoutMs);
      const forget = signal && watchSignal(signal, () => end(requestAborted(signal)));
      const settle = (): void => {
        clearTimeout(timer);
        forget?.();
      };
      // Nobody waits any more: what is not sent is not sent, and the server's wait ends as well.
      const over = new AbortController();
      const end = (error: BusError): void => {
        settle();
        reject(error);
        over.abort();
      };
      const payload = `{"event":${text},"timeoutMs":${timeoutMs}}`;
      const wishes = { signal: over.signal, isAbandoned: true };
      requests.order('request', payload, wishes).then(({ event }) => {
        settle();
        resolve(event);
      }, end);
    });
  }

  respond(pattern: string, handler: QuestionHandler, options: RespondOptions = {}): Responder {
    checkRespond(pattern, handler, options);
    const name = `responder-${++this.#lastResponder}`;
    const inContext = captureHandlerContext(undefined);
    const call: QuestionHandler = (event, context) => inContext(handler, event, context);
    let joined = (): void => {};
    let refused = (_: Error): void => {};
    const first = new Promise<void>((resolve, reject) => {
      joined = resolve;
      refused = reject;
    });
    first.catch(() => {});
    const running = new RunningResponder(pattern, call, {
      join: () => first,
      leave: () => this.#leave(name),
      onEnd: () => this.#responders.delete(name),
    });
    const responder = { running, joined, refused, isJoined: false };
    this.#responders.set(name, responder);
    running.start(options.signal);
    if (this.#host.isConnected()) this.#join(name, responder);
    return running;
  }

  /** False if the frame is of another kind. */
  take(frame: ServerFrame): boolean {
    if (frame.type === 'question') void this.#answer(frame.payload);
    else if (frame.type === 'questionOver') this.#inHand.get(frame.payload.question)?.abort();
    else return false;
    return true;
  }

  connected(): void {
    for (const [name, responder] of this.#responders) this.#join(name, responder);
  }

  /** Nobody can be answered any more over the connection that has ended. */
  lost(): void {
    for (const responder of this.#responders.values()) responder.isJoined = false;
    for (const question of this.#inHand.values()) question.abort();
    this.#inHand.clear();
  }

  end(error: BusError): void {
    this.lost();
    for (const { running, refused } of [...this.#responders.values()]) {
      refused(error);
      running.close();
    }
  }

  #join(name: string, responder: RemoteResponder): void {
    const { running } = responder;
    const payload = JSON.stringify({ responder: name, pattern: running.pattern });
    const onJoined = (): void => {
      responder.isJoined = true;
      responder.joined();
    };
    const onRefused = (error: BusError): void => {
      // It comes again over the next connection.
      if (error.code === 'CONNECTION_FAILED') return;
      responder.refused(error);
      running.close(error);
    };
    this.#host.requests.askOnce('respond', payload, onJoined, onRefused);
  }

  /** Over a connection that has ended, nothing comes any more. */
  async #leave(name: string): Promise<void> {
    if (this.#responders.get(name)?.isJoined !== true) return;
    const payload = JSON.stringify({ responder: name });
    await new Promise<void>((resolve) => {
      const over = (): void => resolve();
      this.#host.requests.askOnce('endRespond', payload, over, over);
    });
  }

  async #answer({ responder, question, event }: ServerPayloads['question']): Promise<void> {
    const over = new AbortController();
    this.#inHand.set(question, over);
    const text = await this.#textOf(responder, event, over.signal);
    // False: the connection has ended meanwhile, or nobody waits. Numbers count anew over the next connection.
    if (this.#inHand.get(question) !== over) return;
    this.#inHand.delete(question);
    this.#host.send(`{"type":"answer","payload":{"question":${question},${text}}}`);
  }

  /** The part of the frame that has the answer, or what the handler failed with. */
  async #textOf(name: string, event: Event, signal: AbortSignal): Promise<string> {
    this.#atWork++;
    try {
      const responder = this.#responders.get(name);
      if (responder === undefined) throw new BusError('BUS_CLOSED', 'the responder has ended');
      if (this.#atWork > QUESTIONS_PER_RESPONDER_MAX) throw tooManyAtWork();
      const payload = (await responder.running.handle(event, signal)) ?? null;
      const { payloadBytes } = this.#host.limits();
      return `"payload":${inputPayloadText({ payload } as EventInput, payloadBytes)}`;
    } catch (thrown) {
      const { message, details } = responderFailure(event.topic, thrown);
      return `"error":${JSON.stringify({ message, code: details?.code })}`;
    } finally {
      this.#atWork--;
    }
  }
}

function tooManyAtWork(): BusError {
  const limit = QUESTIONS_PER_RESPONDER_MAX;
  const message = `the handlers of this client have ${limit} questions, which is the limit`;
  return new BusError('LIMIT_EXCEEDED', message, { details: { limit } });
}
