import { Connection } from '../client/connection.js';
import { openSocket } from '../client/node-socket.js';
import { parseConnectOptions } from '../client/options.js';
import { Requests } from '../client/requests.js';
import type { BusStats, SubscriberInfo, TopicInfo } from '../protocol/bus-api.js';
import type { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import { noteReceivedTexts } from '../protocol/frame-payloads.js';
import { COMMAND_FRAME_BYTES_MAX, COMMAND_FRAMES_AHEAD_MAX } from '../protocol/limits/cli.js';
import { NO_SINKS } from '../protocol/sink-list.js';
import type { RequestPayload, Result, ServerFrame, Welcome } from '../protocol/wire.js';
import type { AnswerPayload, AskedPayload, AskedType } from '../protocol/wire-answers.js';
import type { ServerSettings } from './config.js';
import { CommandFailure } from './failure.js';
import { FrameQueue } from './frame-queue.js';

/**
 * A command's session with a running server, over one connection of the client. A command that loses its server fails
 * and says how to go on, so a session does not connect again, and its requests end with its connection.
 */
export class Session {
  /** Rejects when the connection ends without `close()`. */
  readonly lost: Promise<never>;
  readonly #settings: ServerSettings;
  readonly #connection: Connection;
  readonly #requests: Requests;
  #welcome: Welcome | undefined;
  #failure: Error | undefined;
  #lose: (error: Error) => void = () => {};
  #onFrame: (frame: ServerFrame) => void = () => {};

  /** @throws CommandFailure or BusError if no server answers at the address, or the server refuses */
  static async open(settings: ServerSettings): Promise<Session> {
    if (settings.token === '') throw new CommandFailure('the token is empty (UNAUTHENTICATED)');
    let onReady: () => void = () => {};
    const ready = new Promise<void>((resolve) => {
      onReady = resolve;
    });
    const session = new Session(settings, () => onReady());
    await Promise.race([ready, session.lost]);
    return session;
  }

  private constructor(settings: ServerSettings, onReady: () => void) {
    this.#settings = settings;
    this.lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    // Some commands do not await `lost`, and its rejection must not be reported as unhandled then.
    this.lost.catch(() => {});
    const { server, token, timeout } = settings;
    const options = parseConnectOptions(server, {
      ...(token === undefined ? {} : { getToken: () => token }),
      connectTimeoutMs: timeout,
      maxFrameBytes: COMMAND_FRAME_BYTES_MAX,
    });
    this.#connection = new Connection(openSocket, options, {
      onReady: (welcome) => {
        this.#welcome = welcome;
        onReady();
      },
      onFrame: (frame, text) => this.#take(frame, text),
      onEnd: (error) => this.#end(connectionFailure(error, settings)),
    });
    this.#requests = new Requests(this.#connection, timeout);
  }

  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new Error('the server has not said welcome');
    return this.#welcome;
  }

  /** Sets the listener for frames that answer no request: events and notices of subscriptions. */
  onFrame(listener: (frame: ServerFrame) => void): void {
    this.#onFrame = listener;
  }

  request<T extends AskedType>(type: T, payload: AskedPayload<T>): Promise<AnswerPayload<T>> {
    return this.requestText(type, JSON.stringify(payload));
  }

  /** As `request`, without a timeout; the loss of the connection still ends it. */
  requestWithoutTimeout<T extends AskedType>(
    type: T,
    payload: AskedPayload<T>,
  ): Promise<AnswerPayload<T>> {
    return this.#askOnce(type, JSON.stringify(payload));
  }

  /** As `request`, with a payload that is JSON text already. */
  requestText<T extends AskedType>(type: T, payload: string): Promise<AnswerPayload<T>> {
    const { timeout } = this.#settings;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(silent(this.#settings)), timeout);
      this.#askOnce(type, payload)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  /** The events of a query, over any number of frames. The socket is read no faster than the events are taken. */
  async *query(query: RequestPayload<'query'>): AsyncGenerator<Event, void, undefined> {
    for await (const { events } of this.#results('query', query)) yield* events ?? [];
  }

  async topics(pattern?: string): Promise<TopicInfo[]> {
    const topics: TopicInfo[] = [];
    const request = pattern === undefined ? {} : { pattern };
    for await (const result of this.#results('topics', request)) {
      topics.push(...(result.topics ?? []));
    }
    return topics;
  }

  /** The subscriptions that are furthest behind, the worst first. */
  async slowestSubscribers(): Promise<SubscriberInfo[]> {
    const subscribers: SubscriberInfo[] = [];
    for await (const result of this.#results('subscribers', {})) {
      subscribers.push(...(result.subscribers ?? []));
    }
    return subscribers;
  }

  async stats(): Promise<BusStats> {
    const stats = (await this.request('stats', {})).stats as BusStats;
    // A server of before there were figures of sinks tells none.
    return { ...stats, sinks: stats.sinks ?? NO_SINKS };
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  close(): void {
    this.#connection.close();
    this.#failure ??= new CommandFailure(`the connection to ${this.#settings.server} is closed`);
    this.#requests.lost();
  }

  #askOnce<T extends AskedType>(
    type: T,
    payload: string,
    onPart?: (part: Result) => void,
  ): Promise<AnswerPayload<T>> {
    return new Promise((resolve, reject) => {
      const onRefused = (error: BusError) => reject(this.#failure ?? error);
      this.#requests.askOnce(type, payload, resolve, onRefused, onPart);
    });
  }

  /** The frames of one answer. The socket is read no faster than they are taken. */
  async *#results<T extends 'query' | 'topics' | 'subscribers'>(
    type: T,
    payload: RequestPayload<T>,
  ): AsyncGenerator<Result, void, undefined> {
    const frames = new FrameQueue();
    let isLeft = false;
    this.#askOnce(type, JSON.stringify(payload), (part) => {
      if (isLeft) return;
      frames.push(part);
      if (frames.length > COMMAND_FRAMES_AHEAD_MAX) this.pause();
    }).catch((error: Error) => frames.fail(error));
    try {
      for (let hasMore = true; hasMore; ) {
        const frame = await frames.next(this.#settings.timeout, () => silent(this.#settings));
        if (frames.length < COMMAND_FRAMES_AHEAD_MAX) this.resume();
        yield frame;
        hasMore = frame.more === true;
      }
    } finally {
      isLeft = true;
      this.resume();
    }
  }

  #take(frame: ServerFrame, text: string): void {
    noteReceivedTexts(frame, text);
    if (!this.#requests.take(frame)) this.#onFrame(frame);
  }

  #end(failure: Error): void {
    this.#failure = failure;
    this.#requests.lost();
    this.#lose(failure);
  }
}

function silent({ server, timeout }: ServerSettings): CommandFailure {
  return new CommandFailure(`${server} has not answered within ${timeout} ms`);
}

/** The failure of a command whose connection ended: without an error code where the message says enough. */
export function connectionFailure(error: BusError, settings: ServerSettings): Error {
  const { server, token } = settings;
  if (error.code === 'UNAUTHENTICATED' && token === undefined) {
    const cure = 'give one with --token, or set MILLRACE_TOKEN';
    return new CommandFailure(`${server} asks for a token; ${cure} (UNAUTHENTICATED)`);
  }
  if (error.code === 'MESSAGE_INVALID') {
    return new CommandFailure(`the connection to ${server} was lost: ${error.message}`);
  }
  if (error.code !== 'CONNECTION_FAILED') return error;
  const { status, connectTimeoutMs, closeCode, closeReason } = error.details ?? {};
  if (status !== undefined) {
    return new CommandFailure(`${server} answered ${status}: it is no millrace server`);
  }
  if (connectTimeoutMs !== undefined) return silent(settings);
  if (error.cause instanceof Error) return unreachable(server, error.cause);
  if (closeCode === undefined) return new CommandFailure(error.message);
  return new CommandFailure(
    `the connection to ${server} was lost: ${closeReason || `code ${closeCode}`}`,
  );
}

function unreachable(server: string, error: NodeJS.ErrnoException): CommandFailure {
  if (error.code === 'EPROTO') {
    return new CommandFailure(`${server} speaks no TLS; try http: instead`, undefined, error);
  }
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    const message = `no address is known for the name in ${server} (${error.code})`;
    return new CommandFailure(message, undefined, error);
  }
  if (error.code !== 'ECONNREFUSED') {
    return new CommandFailure(`${server} cannot be reached: ${error.message}`, undefined, error);
  }
  const cure = 'start one with `millrace serve`, or name another with --server';
  return new CommandFailure(`there is no server at ${server}; ${cure}`, undefined, error);
}
