import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates, RateLimiter } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Query } from '../../protocol/bus-api.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../../protocol/event.js';
import { patternList } from '../../protocol/filter.js';
import { QUERY_LIMIT } from '../../protocol/limits/bus-api.js';
import type { ClientFrame, RequestPayload, Result } from '../../protocol/wire.js';
import { findFor, readFor } from '../asking.js';
import type { Budget } from '../budget/budget.js';
import type { Budgets } from '../budget/budgets.js';
import type { GatewayConsumers } from '../consumers/gateway-consumers.js';
import type { CursorTexts } from '../cursor-texts.js';
import type { EventTexts, TextsByPrincipal } from '../event-texts.js';
import type { GatewayLater } from '../later/gateway-later.js';
import type { Operations } from '../operations.js';
import {
  assertMayRead,
  assertStillHolds,
  cursorBefore,
  permittedEvents,
  withoutUnreadable,
} from '../permissions.js';
import { PublishLane } from '../publish-lane.js';
import { topicPages } from '../topic-list.js';
import { ConsumerRequests, isConsumerFrame } from './consumer-requests.js';
import { frameText, resultText } from './frames.js';
import { isLaterFrame, LaterRequests } from './later-requests.js';
import { sendList } from './list-frames.js';
import { type Asking, type OperationAsker, OperationRequests } from './operation-requests.js';
import type { Outbound } from './outbound.js';
import { isQuestionFrame, QuestionRequests } from './question-requests.js';
import type { SharedFrames } from './shared-frames.js';
import { isSubscriptionFrame, SubscriptionRequests } from './subscription-requests.js';

/**
 * Answers the requests of one connection with the frames that docs/PROTOCOL.md describes. An expected refusal rejects
 * with a `BusError`, which the connection turns into an `error` frame.
 */
export interface RequestContext {
  readonly endpoint: BusEndpoint;
  readonly texts: TextsByPrincipal;
  readonly frames: SharedFrames;
  readonly cursors: CursorTexts;
  readonly rates: RateLimiter;
  readonly budgets: Budgets;
  readonly operations: Operations;
  readonly consumers: GatewayConsumers;
  readonly later: GatewayLater;
}

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

/** All frames that clients send except `authenticate`. */
export type RequestFrame = Exclude<ClientFrame, { type: 'authenticate' }>;

interface AskingConnection extends Asking {
  /** Its id. */
  readonly connection: string;
}

export class RequestAnswerer {
  readonly #endpoint: BusEndpoint;
  readonly #context: RequestContext;
  readonly #outbound: Outbound;
  readonly #subscriptions: SubscriptionRequests;
  readonly #operations: OperationRequests;
  readonly #consumers: ConsumerRequests;
  readonly #questions: QuestionRequests;
  readonly #later: LaterRequests;
  readonly #address: string;
  readonly #connection: string;
  #texts: EventTexts;
  #principal: Principal;
  #rates: ConnectionRates;
  readonly #budget: Budget;
  readonly #lane: PublishLane;

  constructor(
    context: RequestContext,
    { principal, address, connection }: AskingConnection,
    budget: Budget,
    outbound: Outbound,
  ) {
    const { endpoint, texts, rates } = context;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#address = address;
    this.#connection = connection;
    this.#texts = texts.of(principal);
    this.#principal = principal;
    this.#rates = rates.connection(principal, address);
    this.#budget = budget;
    this.#outbound = outbound;
    this.#subscriptions = new SubscriptionRequests(
      context,
      () => ({
        principal: this.#principal,
        rates: this.#rates,
        texts: this.#texts,
        budget: this.#budget,
        connection: this.#connection,
      }),
      outbound,
    );
    this.#operations = new OperationRequests(context.operations, outbound);
    this.#later = new LaterRequests(context.later, outbound);
    this.#lane = new PublishLane(endpoint, (events) => {
      assertStillHolds(this.#principal);
      permittedEvents(this.#principal, events);
    });
    this.#consumers = new ConsumerRequests(
      context.consumers,
      () => ({ ...this.#asker, connection: this.#connection }),
      outbound,
      this.#texts,
      this.#lane,
    );
    this.#questions = new QuestionRequests(
      endpoint,
      () => ({
        principal: this.#principal,
        rates: this.#rates,
        texts: this.#texts,
        places: this.#budget.places,
      }),
      outbound,
    );
  }

  get #asker(): OperationAsker {
    const principal = this.#principal;
    return { principal, address: this.#address, rates: this.#rates, budget: this.#budget };
  }

  /** Takes the grants of a renewed token; subscriptions that they do not cover end with `FORBIDDEN`. */
  renew(principal: Principal): void {
    const { texts, rates } = this.#context;
    this.#principal = principal;
    this.#texts = texts.of(principal);
    this.#rates = rates.connection(principal, this.#address, this.#rates);
    this.#consumers.renew(principal, this.#texts);
    this.#questions.renew(principal);
    this.#subscriptions.renew(principal, this.#texts);
  }

  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  /** Answers one request. Requests begin in the order of their frames; each is answered when it is done. */
  async answer(frame: RequestFrame): Promise<void> {
    switch (frame.type) {
      case 'publish':
        return this.#publish(frame);
      case 'query':
        return this.#query(frame);
      case 'get':
        return this.#get(frame);
      case 'topics':
        return this.#topics(frame);
      case 'ping': {
        const payload = { time: new Date().toISOString() };
        this.#outbound.send(frameText('pong', payload, frame.requestId));
        return;
      }
      default:
        if (isSubscriptionFrame(frame)) return this.#subscriptions.answer(frame);
        if (isConsumerFrame(frame)) return this.#consumers.answer(frame);
        if (isQuestionFrame(frame)) return this.#questions.answer(frame);
        if (isLaterFrame(frame)) return this.#later.answer(frame, this.#asker);
        return this.#operations.answer(frame, this.#asker);
    }
  }

  /** Ends requests that wait for what may never come: the connection takes no more. */
  stop(): void {
    this.#consumers.stop();
  }

  /**
   * Releases all subscriptions, members and the budget. Events that they have batched are sent if the socket is open.
   *
   * @param end `died`: the client has gone, and what its members had out may have been its end
   */
  async close(end: 'left' | 'died' = 'left'): Promise<void> {
    this.#questions.close();
    await Promise.allSettled([this.#consumers.close(end), this.#subscriptions.close()]);
    this.#budget.close();
  }

  async #publish({ payload, requestId }: FrameOf<'publish'>): Promise<void> {
    const inputs = 'events' in payload ? payload.events : [payload.event];
    const events = permittedEvents(this.#principal, inputs);
    this.#rates.publish(events.length);
    const acks = await this.#acksOf(payload, events);
    const cursor = cursorBefore(this.#principal, acks);
    const answer = cursor === undefined ? { acks } : { acks, cursor };
    this.#outbound.send(frameText('published', answer, requestId));
  }

  /** Publishes the events of a frame, with the source that the principal is held to. */
  async #acksOf(
    payload: RequestPayload<'publish'>,
    events: readonly EventInput[],
  ): Promise<PublishAck[]> {
    const options = publishOptions(payload);
    try {
      if (!('events' in payload)) {
        const { expect } = payload;
        const one = expect === undefined ? options : { ...options, expect };
        return [await this.#lane.publish(events[0]!, one)];
      }
      const { atomic, expect } = payload;
      const isPlain = atomic === undefined && expect === undefined;
      return await this.#lane.publishMany(
        events,
        isPlain
          ? options
          : {
              ...options,
              ...(atomic === undefined ? {} : { atomic }),
              ...(expect === undefined ? {} : { expect }),
            },
      );
    } catch (error) {
      throw withoutUnreadable(this.#principal, error);
    }
  }

  async #query({ payload, requestId }: FrameOf<'query'>): Promise<void> {
    assertMayRead(this.#principal, payload.topic);
    this.#rates.query();
    const query: Query = { ...payload, limit: payload.limit ?? QUERY_LIMIT };
    await this.#budget.query(async (asker) => {
      let last: Event | undefined;
      const textOf = (event: Event): string => {
        last = event;
        return this.#texts.of(event).text;
      };
      const end = (): Pick<Result, 'cursor'> =>
        last?.cursor === undefined ? {} : { cursor: last.cursor };
      const pages = readFor(this.#endpoint, asker, query);
      const list = { field: 'events', pages, textOf, end } as const;
      await sendList(this.#outbound, this.#budget.work, list, requestId);
    });
  }

  async #get({ payload, requestId }: FrameOf<'get'>): Promise<void> {
    const { topic, id, ...options } = payload;
    this.#rates.query();
    await this.#budget.query(async (asker) => {
      const who = { asker, principal: this.#principal };
      const event = await findFor(this.#endpoint, who, patternList(topic), id, options);
      const texts = event === undefined ? [] : [this.#texts.of(event).text];
      this.#outbound.send(resultText('events', texts, requestId, {}));
    });
  }

  async #topics({ payload, requestId }: FrameOf<'topics'>): Promise<void> {
    this.#rates.query();
    await this.#budget.query(async (asker) => {
      const pages = topicPages(this.#endpoint, this.#principal, payload?.pattern, asker);
      const list = { field: 'topics', pages, textOf: JSON.stringify } as const;
      await sendList(this.#outbound, this.#budget.work, list, requestId);
    });
  }
}

function publishOptions(
  payload: RequestPayload<'publish'>,
): Omit<PublishOptions, 'expect'> | undefined {
  const { durability, persist, idScope, deliverAt, delayMs, ttlMs } = payload;
  const first = durability ?? persist ?? idScope ?? deliverAt ?? delayMs ?? ttlMs;
  if (first === undefined) return undefined;
  const options: Omit<PublishOptions, 'expect'> = {};
  if (durability !== undefined) options.durability = durability;
  if (persist !== undefined) options.persist = persist;
  if (idScope !== undefined) options.idScope = idScope;
  if (deliverAt !== undefined) options.deliverAt = deliverAt;
  if (delayMs !== undefined) options.delayMs = delayMs;
  if (ttlMs !== undefined) options.ttlMs = ttlMs;
  return options;
}
