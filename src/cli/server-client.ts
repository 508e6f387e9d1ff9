import type { ClientRequest, IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { BusStats, SubscriberInfo, TopicInfo } from '../protocol/bus-api.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { noteReceivedTexts } from '../protocol/frame-payloads.js';
import {
  type AnsweredType,
  type RequestPayload,
  type Result,
  type ServerFrame,
  type Welcome,
  WIRE_PATH,
  WIRE_PROTOCOL,
} from '../protocol/wire.js';
import { ANSWER_TYPES, type AnswerPayload } from '../protocol/wire-answers.js';
import { type Answer, AnswerQueue } from './answer-queue.js';
import type { ServerSettings } from './config.js';
import { CommandFailure } from './failure.js';

/**
 * A command's connection to a running server: one WebSocket, requests and their answers, frames
 * that come by themselves. It does not reconnect: a command that loses its server has failed and
 * says how to go on.
 */

/** Frames of a long answer that may wait for the command before the socket is no longer read. */
const FRAMES_AHEAD_MAX = 4;

/** The longest that a timer can wait: 24 days. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export class ServerClient {
  /** Rejects when the connection ends without `close()`. */
  readonly lost: Promise<never>;
  readonly #socket: WebSocket;
  readonly #settings: ServerSettings;
  readonly #answers = new Map<number, AnswerQueue>();
  #welcome: Welcome | undefined;
  #lastRequestId = 0;
  #isClosing = false;
  #failure: Error | undefined;
  #onWelcome: () => void = () => {};
  #onFrame: (frame: ServerFrame) => void = () => {};

  /** @throws CommandFailure if no server answers there, or it refuses */
  static async connect(settings: ServerSettings): Promise<ServerClient> {
    const client = new ServerClient(settings);
    await client.#welcomed();
    return client;
  }

  private constructor(settings: ServerSettings) {
    this.#settings = settings;
    const { server, token, timeout } = settings;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(socketUrl(server), WIRE_PROTOCOL, {
      handshakeTimeout: timeout,
      perMessageDeflate: false,
      headers,
    });
    this.#socket = socket;
    this.lost = new Promise((_, reject) => {
      socket.on('close', (code, reason) => reject(this.#onClose(code, reason.toString())));
    });
    // Not every command waits for this.
    this.lost.catch(() => {});
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= unreachable(server, error);
    });
    socket.on('unexpected-response', (request, response) => {
      void this.#onRefusal(request, response);
    });
    socket.on('message', (data: Buffer) => this.#onMessage(data));
  }

  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new Error('the server has not said welcome');
    return this.#welcome;
  }

  /** Gets the frames that answer no request: events and what belongs to them. */
  onFrame(listener: (frame: ServerFrame) => void): void {
    this.#onFrame = listener;
  }

  request<T extends AnsweredType>(type: T, payload: RequestPayload<T>): Promise<AnswerPayload<T>> {
    return this.requestText(type, JSON.stringify(payload));
  }

  /** For what takes as long as it takes; the loss of the connection still ends it. */
  requestWithoutTimeout<T extends AnsweredType>(
    type: T,
    payload: RequestPayload<T>,
  ): Promise<AnswerPayload<T>> {
    return this.requestText(type, JSON.stringify(payload), TIMEOUT_MS_MAX);
  }

  /** As `request`, with a payload that is JSON text already. */
  async requestText<T extends AnsweredType>(
    type: T,
    payload: string,
    timeoutMs?: number,
  ): Promise<AnswerPayload<T>> {
    const requestId = this.#send(type, payload);
    try {
      const answer = await this.#next(requestId, timeoutMs);
      if (answer.type !== ANSWER_TYPES[type]) throw unexpected(answer);
      return answer.payload as AnswerPayload<T>;
    } finally {
      this.#answers.delete(requestId);
    }
  }

  /**
   * The events of a query, however many frames they come in; the socket is read no faster than they
   * are taken.
   */
  async *query(query: RequestPayload<'query'>): AsyncGenerator<Event, void, undefined> {
    for await (const { events } of this.#results('query', query)) yield* events ?? [];
  }

  async topics(pattern?: string): Promise<TopicInfo[]> {
    const topics: TopicInfo[] = [];
    const request = pattern === undefined ? {} : { pattern };
    for await (const result of this.#results('topics', request)) {
      topics.push(...((result.topics ?? []) as readonly TopicInfo[]));
    }
    return topics;
  }

  /** The subscriptions that are furthest behind, the worst first. */
  async slowestSubscribers(): Promise<SubscriberInfo[]> {
    const subscribers: SubscriberInfo[] = [];
    for await (const result of this.#results('subscribers', {})) {
      subscribers.push(...((result.subscribers ?? []) as readonly SubscriberInfo[]));
    }
    return subscribers;
  }

  async stats(): Promise<BusStats> {
    return (await this.request('stats', {})).stats as BusStats;
  }

  /** The frames of one answer, read no faster than they are taken. */
  async *#results<T extends 'query' | 'topics' | 'subscribers'>(
    type: T,
    payload: RequestPayload<T>,
  ): AsyncGenerator<Result, void, undefined> {
    const requestId = this.#send(type, JSON.stringify(payload));
    try {
      for (let hasMore = true; hasMore; ) {
        const answer = await this.#next(requestId);
        if (answer.type !== 'result') throw unexpected(answer);
        yield answer.payload;
        hasMore = answer.payload.more === true;
      }
    } finally {
      this.#answers.delete(requestId);
      this.resume();
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says goodbye, and does not wait longer than the timeout for the server to say so too. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const timer = setTimeout(() => this.#socket.terminate(), this.#settings.timeout);
    this.#socket.resume();
    this.#socket.close(1000);
    await this.lost.catch(() => {});
    clearTimeout(timer);
  }

  async #welcomed(): Promise<void> {
    const timer = setTimeout(() => {
      this.#failure ??= this.#timeout();
      this.#socket.terminate();
    }, this.#settings.timeout);
    const welcome = new Promise<void>((resolve) => {
      this.#onWelcome = resolve;
    });
    await Promise.race([welcome, this.lost]).finally(() => clearTimeout(timer));
  }

  #send(type: AnsweredType, payload: string): number {
    const requestId = ++this.#lastRequestId;
    const queue = new AnswerQueue();
    this.#answers.set(requestId, queue);
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(`{"type":"${type}","requestId":${requestId},"payload":${payload}}`);
    } else queue.fail(this.#failure ?? this.#loss('it is closed'));
    return requestId;
  }

  async #next(requestId: number, timeoutMs = this.#settings.timeout): Promise<Answer> {
    const queue = this.#answers.get(requestId)!;
    const answer = await queue.next(timeoutMs, () => this.#timeout());
    if (queue.length < FRAMES_AHEAD_MAX) this.resume();
    return answer;
  }

  #onMessage(data: Buffer): void {
    const text = data.toString();
    const frame = JSON.parse(text) as ServerFrame;
    noteReceivedTexts(frame, text);
    if (frame.type === 'welcome') {
      this.#welcome = frame.payload;
      this.#onWelcome();
      return;
    }
    if (typeof frame.requestId !== 'number') {
      // The connection ends with this: it is why.
      if (frame.type === 'error' && frame.payload.code === 'UNAUTHENTICATED') {
        this.#failure ??= this.#unauthenticated(frame.payload);
      }
      this.#onFrame(frame);
      return;
    }
    const queue = this.#answers.get(frame.requestId);
    if (queue === undefined) return;
    if (frame.type === 'error') queue.fail(BusError.from(frame.payload));
    else queue.push(frame);
    if (queue.length > FRAMES_AHEAD_MAX) this.pause();
  }

  /**
   * The server answered the upgrade with plain HTTP: it says why in JSON, or it is none of ours.
   */
  async #onRefusal(request: ClientRequest, response: IncomingMessage): Promise<void> {
    const { server } = this.#settings;
    const { statusCode } = response;
    const data = await readRefusal(response);
    this.#failure =
      data === undefined
        ? new CommandFailure(`${server} answered ${statusCode}: it is no millrace server`)
        : BusError.from(data);
    request.destroy();
    this.#socket.terminate();
  }

  #onClose(code: number, reason: string): Error {
    const error = this.#failure ?? this.#loss(reason === '' ? `code ${code}` : reason);
    this.#failure = error;
    for (const queue of this.#answers.values()) queue.fail(error);
    return error;
  }

  #unauthenticated(data: ErrorData): Error {
    const { server, token } = this.#settings;
    if (token !== undefined) return BusError.from(data);
    const cure = 'give one with --token, or set MILLRACE_TOKEN';
    return new CommandFailure(`${server} asks for a token; ${cure} (UNAUTHENTICATED)`);
  }

  #loss(reason: string): Error {
    const { server } = this.#settings;
    if (this.#isClosing) return new CommandFailure(`the connection to ${server} is closed`);
    return new CommandFailure(`the connection to ${server} was lost: ${reason}`);
  }

  #timeout(): Error {
    const { server, timeout } = this.#settings;
    return new CommandFailure(`${server} has not answered within ${timeout} ms`);
  }
}

function socketUrl(server: string): URL {
  const url = new URL(server);
  url.protocol = url.protocol.replace('http', 'ws');
  url.pathname = url.pathname.replace(/\/$/, '') + WIRE_PATH;
  return url;
}

function unreachable(server: string, error: NodeJS.ErrnoException): CommandFailure {
  if (error.code !== 'ECONNREFUSED') {
    return new CommandFailure(`${server} cannot be reached: ${error.message}`, undefined, error);
  }
  const cure = 'start one with `millrace serve`, or name another with --server';
  return new CommandFailure(`there is no server at ${server}; ${cure}`, undefined, error);
}

const REFUSAL_LENGTH_MAX = 65_536;

async function readRefusal(response: IncomingMessage): Promise<ErrorData | undefined> {
  try {
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.length > REFUSAL_LENGTH_MAX) return undefined;
    }
    const data = JSON.parse(text) as Partial<ErrorData> | null;
    const isOurs = typeof data?.code === 'string' && typeof data.message === 'string';
    return isOurs ? (data as ErrorData) : undefined;
  } catch {
    return undefined;
  }
}

function unexpected(answer: Answer): CommandFailure {
  return new CommandFailure(`the server gave an answer of an unexpected kind: ${answer.type}`);
}
