import { watchSignal } from '../handout/watch-signal.js';
import { BusError } from '../protocol/errors.js';
import { noteReceivedTexts } from '../protocol/frame-payloads.js';
import { CLIENT_REQUESTS_MAX } from '../protocol/limits/client.js';
import type { Result, ServerFrame, ServerPayloads } from '../protocol/wire.js';
import { ANSWER_TYPES, type AnswerPayload, type AskedType } from '../protocol/wire-answers.js';
import { aborted } from './outgoing-event.js';
import { invalid, serverError } from './server-frame.js';

/**
 * Requests and their answers. A request that only reads (`ask`) waits for a connection, and is sent again over the next
 * one if its connection is lost. A request that belongs to one connection (`askOnce`), or that must not be carried out
 * twice (`order`), ends with it.
 */

export type Answer<T extends AskedType> = AnswerPayload<T>;

interface Request {
  readonly id: number;
  readonly type: AskedType;
  readonly frame: string;
  /** The request ends with the connection over which it was sent. */
  readonly isBound: boolean;
  /** It was sent over the present connection. */
  isSent: boolean;
  /** The frames so far of a list that comes in several, unless `onPart` takes each as it comes. */
  readonly parts: Result[];
  readonly onPart: ((part: Result) => void) | undefined;
  /** The events of the answer keep the texts of their payloads, at the cost of a second pass over each frame. */
  readonly keepsTexts: boolean;
  resolve(answer: ServerPayloads[keyof ServerPayloads]): void;
  reject(error: BusError): void;
}

interface RequestWishes {
  readonly isBound?: boolean;
  readonly keepsTexts?: boolean;
  readonly onPart?: Request['onPart'];
  /** Ends the wait for the answer; what is not sent is not sent any more. */
  readonly signal?: AbortSignal | undefined;
  /** A server that has the request when `signal` aborts is told to abandon it. */
  readonly isAbandoned?: boolean;
}

type OrderWishes = Pick<RequestWishes, 'keepsTexts' | 'signal' | 'isAbandoned'>;

export interface RequestSender {
  send(frame: string): boolean;
}

export class Requests {
  readonly #sender: RequestSender;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Request>();
  #lastId = 0;
  #asked = 0;

  constructor(sender: RequestSender, timeoutMs: number) {
    this.#sender = sender;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws BusError the server's error; `TIMEOUT`; `BACKPRESSURE` if too many requests wait already */
  ask<T extends AskedType>(
    type: T,
    payload: string,
    { keepsTexts = false }: { readonly keepsTexts?: boolean } = {},
  ): Promise<Answer<T>> {
    return this.#counted((resolve, reject) => {
      const request = this.#add(type, payload, { keepsTexts }, resolve, reject);
      if (this.#timeoutMs > 0) this.#limit(request);
      request.isSent = this.#sender.send(request.frame);
    });
  }

  /**
   * Sends a request at most once: it waits for a connection, and ends with the one over which it was sent. The time
   * limit holds until it is sent, as the work may take long.
   * @throws BusError as `ask`; `CONNECTION_FAILED`: it may have been carried out or not
   */
  order<T extends AskedType>(
    type: T,
    payload: string,
    { keepsTexts = false, signal, isAbandoned = false }: OrderWishes = {},
  ): Promise<Answer<T>> {
    return this.#counted((resolve, reject) => {
      const wishes = { isBound: true, keepsTexts, signal, isAbandoned };
      const request = this.#add(type, payload, wishes, resolve, reject);
      request.isSent = this.#sender.send(request.frame);
      if (this.#timeoutMs > 0 && !request.isSent) this.#limit(request, () => !request.isSent);
    });
  }

  /**
   * Sends a request over the present connection only. `onAnswer` is called in the turn in which the answer comes, as
   * frames behind it may depend on it. If the connection ends first, `onRefused` gets `CONNECTION_FAILED`. With
   * `onPart` the frames of a list are not joined: `onPart` gets each of them, and after the last `onAnswer` gets that
   * one again. If `signal` aborts first, `onRefused` gets `ABORTED`.
   */
  askOnce<T extends AskedType>(
    type: T,
    payload: string,
    onAnswer: (answer: Answer<T>) => void,
    onRefused: (error: BusError) => void,
    onPart?: (part: Result) => void,
    signal?: AbortSignal,
  ): void {
    const wishes = { isBound: true, onPart, signal };
    const request = this.#add(type, payload, wishes, onAnswer, onRefused);
    request.isSent = this.#sender.send(request.frame);
    if (!request.isSent) request.reject(lost());
  }

  /** Draws an id for a request that the caller keeps track of itself. */
  nextId(): number {
    return ++this.#lastId;
  }

  /**
   * Takes the answer to a request; false if the frame is not one. `text` is the frame as it came, for a request that
   * keeps the texts of payloads.
   * @throws BusError `MESSAGE_INVALID` if the answer has the wrong type
   */
  take(frame: ServerFrame, text?: string): boolean {
    const request =
      typeof frame.requestId === 'number' ? this.#pending.get(frame.requestId) : undefined;
    if (request === undefined) return false;
    if (frame.type === 'error') {
      request.reject(serverError(frame.payload));
      return true;
    }
    if (frame.type !== ANSWER_TYPES[request.type]) {
      throw invalid(`${frame.type} is no answer to ${request.type}`);
    }
    if (request.keepsTexts && text !== undefined) noteReceivedTexts(frame, text);
    if (frame.type === 'result') this.#takePart(request, frame.payload);
    else request.resolve(frame.payload as ServerPayloads[keyof ServerPayloads]);
    return true;
  }

  connected(): void {
    for (const request of this.#pending.values()) {
      request.isSent ||= this.#sender.send(request.frame);
    }
  }

  lost(): void {
    for (const request of [...this.#pending.values()]) {
      // One that was made between the end of the connection and this call waits for the next connection.
      if (request.isBound && request.isSent) request.reject(lost());
      request.parts.length = 0;
      request.isSent = false;
    }
  }

  fail(error: BusError): void {
    for (const request of [...this.#pending.values()]) request.reject(error);
  }

  /** Begins a request that counts towards the limit until it is settled. */
  #counted<A>(
    begin: (resolve: (answer: A) => void, reject: (error: BusError) => void) => void,
  ): Promise<A> {
    if (this.#asked >= CLIENT_REQUESTS_MAX) {
      const message = `${this.#asked} requests wait for their answers, which is the limit`;
      return Promise.reject(new BusError('BACKPRESSURE', message));
    }
    this.#asked++;
    return new Promise(begin).finally(() => this.#asked--);
  }

  #add<T extends AskedType>(
    type: T,
    payload: string,
    { isBound = false, keepsTexts = false, onPart, signal, isAbandoned = false }: RequestWishes,
    resolve: (answer: Answer<T>) => void,
    reject: (error: BusError) => void,
  ): Request {
    const id = this.nextId();
    const onAbort = (): void => {
      if (isAbandoned && request.isSent) {
        // With an id, a server that does not know the frame refuses it in an answer that is dropped, not in an error.
        const own = this.nextId();
        this.#sender.send(`{"type":"abandon","requestId":${own},"payload":{"request":${id}}}`);
      }
      request.reject(aborted(signal!, request.isSent));
    };
    const forget = signal && watchSignal(signal, onAbort);
    const settle = (): void => {
      forget?.();
      this.#pending.delete(id);
    };
    const request: Request = {
      id,
      type,
      frame: `{"type":"${type}","requestId":${id},"payload":${payload}}`,
      isBound,
      isSent: false,
      parts: [],
      onPart,
      keepsTexts,
      resolve: (answer) => {
        settle();
        resolve(answer as Answer<T>);
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    };
    this.#pending.set(id, request);
    return request;
  }

  #takePart(request: Request, part: Result): void {
    if (request.onPart === undefined) request.parts.push(part);
    else request.onPart(part);
    if (part.more === true) return;
    request.resolve(request.parts.length > 1 ? joined(request.parts) : part);
  }

  #limit(request: Request, isOverdue = () => true): void {
    const timer = setTimeout(() => {
      if (!isOverdue()) return;
      const message = `${request.type} was not answered within ${this.#timeoutMs} ms`;
      request.reject(new BusError('TIMEOUT', message, { details: { timeoutMs: this.#timeoutMs } }));
    }, this.#timeoutMs);
    const { resolve, reject } = request;
    request.resolve = (answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    request.reject = (error) => {
      clearTimeout(timer);
      reject(error);
    };
  }
}

function joined(parts: readonly Result[]): Result {
  const { cursor, figures, complete, isComplete } = parts[parts.length - 1]!;
  const samples = parts.flatMap((part) => part.figures?.samples ?? []);
  return {
    ...(cursor === undefined ? {} : { cursor }),
    ...(complete === undefined ? {} : { complete }),
    ...(isComplete === undefined ? {} : { isComplete }),
    ...(figures === undefined ? {} : { figures: { ...figures, samples } }),
    events: parts.flatMap(({ events }) => events ?? []),
    topics: parts.flatMap(({ topics }) => topics ?? []),
    subscribers: parts.flatMap(({ subscribers }) => subscribers ?? []),
    connections: parts.flatMap(({ connections }) => connections ?? []),
    definitions: parts.flatMap(({ definitions }) => definitions ?? []),
    consumers: parts.flatMap(({ consumers }) => consumers ?? []),
    redriven: parts.flatMap(({ redriven }) => redriven ?? []),
    unknown: parts.flatMap(({ unknown }) => unknown ?? []),
    schedules: parts.flatMap(({ schedules }) => schedules ?? []),
    deliveries: parts.flatMap(({ deliveries }) => deliveries ?? []),
  };
}

function lost(): BusError {
  return new BusError('CONNECTION_FAILED', 'the connection was lost before the answer came');
}
