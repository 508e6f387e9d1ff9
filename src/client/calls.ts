import type { GetOptions, LatestOptions, Query } from '../protocol/bus-api.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from '../protocol/consumers.js';
import type { Event, EventInput, PublishAck } from '../protocol/event.js';
import type {
  QuestionHandler,
  RequestOptions,
  Responder,
  RespondOptions,
} from '../protocol/requests.js';
import type { Welcome } from '../protocol/wire.js';
import type { ClientConsumers } from './consume/client-consumers.js';
import { OperationsClient } from './operations.js';
import type {
  ClientPublisher,
  ClientPublishManyOptions,
  ClientPublishOptions,
} from './publisher.js';
import { get, query, type ReadOptions, read } from './query-frames.js';
import type { ClientQuestions } from './request/client-questions.js';

/**
 * The calls of a client that publish, read and work for consumers. The parts below are asked for at each call: that
 * connects a lazy client when it is first used.
 */
export abstract class CallingClient extends OperationsClient {
  /**
   * The server's description of itself and of the client's principal, as of the last welcome; `undefined` before the
   * first.
   */
  abstract get server(): Welcome | undefined;
  /** @throws BusError if the client is closed or has failed */
  protected abstract publisher(): ClientPublisher;
  /** @throws BusError as `publisher` */
  protected abstract questions(): ClientQuestions;
  protected abstract readonly durable: ClientConsumers;

  async publish<P>(input: EventInput<P>, options?: ClientPublishOptions): Promise<PublishAck> {
    return this.publisher().publish(input, options);
  }

  publishMany<P>(
    inputs: readonly EventInput<P>[],
    options?: ClientPublishManyOptions,
  ): Promise<PublishAck[]>;
  publishMany(
    inputs: readonly EventInput[],
    options?: ClientPublishManyOptions,
  ): Promise<PublishAck[]>;
  async publishMany(
    inputs: readonly EventInput[],
    options?: ClientPublishManyOptions,
  ): Promise<PublishAck[]> {
    return this.publisher().publishMany(inputs, options);
  }

  tryPublish<P>(input: EventInput<P>, options?: ClientPublishOptions): boolean {
    return this.publisher().tryPublish(input, options);
  }

  async query<P = unknown>(wanted: Query<P>, options: ReadOptions = {}): Promise<Event<P>[]> {
    return query<P>(this.requests(), () => this.server!, wanted, options);
  }

  async get<P = unknown>(topic: Query<P>['topic'], id: string, options: GetOptions = {}) {
    return get<P>(this.requests(), topic, id, options);
  }

  read<P = unknown>(
    wanted: Query<P>,
    options: ReadOptions = {},
  ): AsyncGenerator<Event<P>, void, undefined> {
    return read<P>(this.requests(), () => this.server!, wanted, options);
  }

  latest<P = unknown>(
    topic: Query<P>['topic'],
    options: LatestOptions = {},
    readOptions: ReadOptions = {},
  ): AsyncGenerator<Event<P>, void, undefined> {
    return this.read<P>({ ...options, topic, latest: true }, readOptions);
  }

  async request<R = unknown, P = unknown>(
    input: EventInput<P>,
    options?: RequestOptions,
  ): Promise<Event<R>> {
    return this.questions().request(input, options) as Promise<Event<R>>;
  }

  respond<P = unknown>(
    pattern: string,
    handler: QuestionHandler<P>,
    options?: RespondOptions,
  ): Responder {
    return this.questions().respond(pattern, handler as QuestionHandler, options);
  }

  /**
   * Makes a durable consumer on the server, or opens it.
   *
   * @param name of the consumer: segments with dots between
   * @param options its definition; default: it has to be there
   * @throws BusError `OPTION_INVALID`, `FILTER_INVALID`, `PATTERN_INVALID`, `CONSUMER_UNKNOWN`, `CONSUMER_EXISTS` with
   *   another definition, `CONSUMER_BUSY`, `LIMIT_EXCEEDED`, `FORBIDDEN`, `TIMEOUT`, `BUS_CLOSED`; `CONNECTION_FAILED`
   *   with `update`, where it may be changed or not
   */
  consumer<P = unknown>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>> {
    return this.durable.open<P>(name, options);
  }

  /** The durable consumers that this client may see. @throws BusError `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED` */
  consumers(): Promise<ConsumerInfo[]> {
    return this.durable.list();
  }
}
