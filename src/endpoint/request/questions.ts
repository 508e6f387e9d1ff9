import { captureContext } from '../../async-context/node-context.js';
import { RunningResponder } from '../../handout/running-responder.js';
import { watchSignal } from '../../handout/watch-signal.js';
import type { AnswerRecord, QuestionFor, QuestionRecord } from '../../link/request-calls.js';
import type { BusError } from '../../protocol/errors.js';
import type { Event, EventInput } from '../../protocol/event.js';
import { checkEventInput } from '../../protocol/event-input.js';
import { inputPayloadText } from '../../protocol/payload.js';
import { keepPayloadText } from '../../protocol/payload-text.js';
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
  responderLost,
} from '../../protocol/requests.js';
import { KeepAlive } from '../../threads/keep-alive.js';
import type { MainThread } from '../main-thread.js';
import { eventIds } from '../publish/event-ids.js';

/**
 * The questions that one endpoint asks, and those that its responders answer. They go by the thread that opened the bus,
 * not by a shard, as they are not stored and have one receiver. Used by the endpoint's thread alone.
 */

export interface QuestionsHost {
  readonly main: MainThread;
  readonly source: string;
  readonly maxPayloadBytes: number;
  shardOf(topic: string): number;
  /** @throws BusError `PAYLOAD_INVALID` */
  validate(topic: string, payload: unknown): void;
  /** Calls the handler in the context in which it was handed in, within a span of the program's tracing. */
  handle(event: Event, handler: (event: Event) => Promise<void>): void | Promise<void>;
}

export class Questions {
  readonly #host: QuestionsHost;
  readonly #nextId = eventIds();
  readonly #responders = new Map<number, RunningResponder>();
  readonly #alive = new KeepAlive();
  readonly #waiting = new Set<(error: BusError) => void>();
  #lastResponder = 0;

  constructor(host: QuestionsHost) {
    this.#host = host;
  }

  /** False while there are responders, or requests that wait: the process goes on. */
  get isIdle(): boolean {
    return this.#responders.size + this.#waiting.size === 0;
  }

  /** @throws BusError see `BusApi.request` */
  async request(input: EventInput, options: RequestOptions = {}): Promise<Event> {
    const { timeoutMs, signal } = parseRequestOptions(options);
    checkEventInput(input);
    this.#host.validate(input.topic, input.payload);
    const question = this.#questionOf(input);
    const given = new AbortController();
    return new Promise<Event>((resolve, reject) => {
      const end = (error: BusError): void => {
        given.abort();
        settle();
        reject(error);
      };
      const timer = setTimeout(() => end(requestTimeout(question.topic, timeoutMs)), timeoutMs);
      const forget = signal && watchSignal(signal, () => end(requestAborted(signal)));
      const settle = (): void => {
        clearTimeout(timer);
        forget?.();
        this.#waiting.delete(end);
      };
      this.#waiting.add(end);
      this.#host.main.call('ask', { question }, { signal: given.signal }).then(
        (answer) => {
          settle();
          resolve(this.#answerEvent(question, answer));
        },
        (error: BusError) => end(error),
      );
    });
  }

  respond(pattern: string, handler: QuestionHandler, options: RespondOptions = {}): Responder {
    checkRespond(pattern, handler, options);
    const number = ++this.#lastResponder;
    const { main } = this.#host;
    const inContext = captureContext();
    const responder = new RunningResponder(
      pattern,
      (event, context) => inContext(handler, event, context),
      {
        join: () => main.call('respond', { pattern, responder: number }),
        leave: () => main.call('endRespond', { responder: number }),
        onEnd: () => {
          this.#responders.delete(number);
          if (this.#responders.size === 0) this.#alive.release();
        },
      },
    );
    this.#responders.set(number, responder);
    this.#alive.hold();
    responder.start(options.signal);
    return responder;
  }

  /** Answers a question that the main thread hands to one of the responders. */
  async answer(
    { responder: number, question }: QuestionFor,
    signal: AbortSignal | undefined,
  ): Promise<AnswerRecord> {
    const responder = this.#responders.get(number);
    if (responder === undefined) throw responderLost(question.topic);
    const event = this.#eventOf(question, question.payload);
    let value: unknown;
    const run = async (): Promise<void> => {
      value = await responder.handle(event, signal);
    };
    try {
      await this.#host.handle(event, run);
      const { source, maxPayloadBytes } = this.#host;
      const raw = value instanceof RawAnswer ? value : undefined;
      const answered = raw?.input ?? { payload: value ?? null };
      const payload = inputPayloadText(answered as EventInput, maxPayloadBytes);
      const by = raw?.source ?? source;
      return { id: this.#nextId(), source: by, timestamp: new Date().toISOString(), payload };
    } catch (error) {
      throw error instanceof DoorFailure ? error.error : responderFailure(question.topic, error);
    }
  }

  /** The endpoint closes: requests that wait are refused, and handlers at work are told. */
  close(error: BusError): void {
    for (const end of [...this.#waiting]) end(error);
    for (const responder of [...this.#responders.values()]) responder.close();
    this.#alive.release();
  }

  #questionOf(input: EventInput): QuestionRecord {
    const { id = this.#nextId(), topic, type, timestamp, source = this.#host.source } = input;
    const { correlationId, causationId, attributes } = input;
    return {
      id,
      topic,
      type,
      source,
      timestamp: (timestamp === undefined ? new Date() : new Date(timestamp)).toISOString(),
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(causationId === undefined ? {} : { causationId }),
      ...(attributes === undefined ? {} : { attributes: { ...attributes } }),
      payload: inputPayloadText(input, this.#host.maxPayloadBytes),
    };
  }

  #answerEvent({ id, topic, correlationId = id }: QuestionRecord, answer: AnswerRecord): Event {
    const { payload, ...rest } = answer;
    return this.#eventOf(
      { ...rest, topic, type: 'answer', correlationId, causationId: id },
      payload,
    );
  }

  #eventOf(fields: Omit<QuestionRecord, 'payload'>, text: string): Event {
    const event: Event = {
      ...fields,
      payload: JSON.parse(text),
      shard: this.#host.shardOf(fields.topic),
    };
    keepPayloadText(event, text);
    return Object.freeze(event);
  }
}

/** What a door got as the answer of its client, whose payload keeps its text. */
export class RawAnswer {
  readonly input: Pick<EventInput, 'payload'>;
  /** To which the client is held; `undefined`: the bus's own. */
  readonly source: string | undefined;

  constructor(input: Pick<EventInput, 'payload'>, source: string | undefined) {
    this.input = input;
    this.source = source;
  }
}

/** What a door tells of a client that did not answer: the asker gets this very error. */
export class DoorFailure {
  readonly error: BusError;

  constructor(error: BusError) {
    this.error = error;
  }
}
