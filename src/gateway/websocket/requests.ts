import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates, RateLimiter } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Query, SubscribeOptions } from '../../protocol/bus-api.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../../protocol/event.js';
import { type FilterData, patternList } from '../../protocol/filter.js';
import { QUERY_LIMIT } from '../../protocol/limits/bus-api.js';
import { quote } from '../../protocol/quote.js';
import type { ClientFrame, RequestId, RequestPayload, Result } from '../../protocol/wire.js';
import { findFor, readFor } from '../asking.js';
import type { Budget, PlacedSubscription } from '../budget/budget.js';
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
  patternCount,
  permittedEvents,
  withoutUnreadable,
} from '../permissions.js';
import { PublishLane } from '../publish-lane.js';
import { type FeedRequest, SubscriptionFeed } from '../subscription-feed.js';
import { topicList } from '../topic-list.js';
import { ConsumerRequests, isConsumerFrame } from './consumer-requests.js';
import { FeedFrames } from './feed-frames.js';
import { frameText, resultText } from './frames.js';
import { isLaterFrame, LaterRequests } from './later-requests.js';
import { sendList } from './list-frames.js';
import { type Asking, type OperationAsker, OperationRequests } from './operation-requests.js';
import type { Outbound } from './outbound.js';
import { isQuestionFrame, QuestionRequests } from './question-requests.js';
import type { SharedFrames } from './shared-frames.js';

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

/** A subscription, and its part of the connection's budget. */
interface PlacedFeed {
  readonly feed: SubscriptionFeed;
  readonly encoder: FeedFrames;
  readonly place: PlacedSubscription;
  /** Checked against the new grants when the connection renews its token. */
  filter: FilterData;
}

interface AskingConnection extends Asking {
  /** Its id. */
  readonly connection: string;
}

export class RequestAnswerer {
  readonly #endpoint: BusEndpoint;
  readonly #context: RequestContext;
  readonly #frames: SharedFrames;
  readonly #outbound: Outbound;
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
  readonly #feeds = new Map<string, PlacedFeed>();

  constructor(
    context: RequestContext,
    { principal, address, connection }: AskingConnection,
    budget: Budget,
    outbound: Outbound,
  ) {
    const { endpoint, texts, frames, rates } = context;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#address = address;
    this.#connection = connection;
    this.#texts = texts.of(principal);
    this.#frames = frames;
    this.#principal = principal;
    this.#rates = rates.connection(principal, address);
    this.#budget = budget;
    this.#outbound = outbound;
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
    for (const { feed, encoder, filter } of [...this.#feeds.values()]) {
      try {
        assertMayRead(principal, filter);
        encoder.show(this.#texts);
      } catch (error) {
        feed.expel(error).catch(() => {});
      }
    }
  }

  get subscriptions(): number {
    return this.#feeds.size;
  }

  /** Answers one request. Requests begin in the order of their frames; each is answered when it is done. */
  async answer(frame: RequestFrame): Promise<void> {
    switch (frame.type) {
      case 'publish':
        return this.#publish(frame);
      case 'subscribe':
        return this.#subscribe(frame);
      case 'update':
        return this.#update(frame);
      case 'unsubscribe':
        return this.#unsubscribe(frame);
      case 'consumed':
        // The frame has no answer, not even where the subscription has ended meanwhile.
        this.#feeds.get(frame.payload.subscription)?.feed.consumed(frame.payload.events);
        return;
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
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    this.#questions.close();
    const members = this.#consumers.close(end);
    await Promise.allSettled([members, ...feeds.map(({ feed }) => feed.close())]);
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

  async #subscribe({ payload, requestId }: FrameOf<'subscribe'>): Promise<void> {
    const { subscription: name, filter } = payload;
    this.#checkName(name);
    assertMayRead(this.#principal, filter);
    const place = this.#budget.subscribe(patternCount(filter));
    try {
      this.#rates.subscribe();
    } catch (error) {
      place.leave();
      throw error;
    }
    const placed = this.#feedOf(name, filter, place);
    const { feed } = placed;
    this.#feeds.set(name, placed);
    try {
      const client = { principal: this.#principal.name, connection: this.#connection };
      const asker = place.asker(this.#endpoint.shards, client);
      await feed.open(this.#endpoint, feedRequestOf(payload), asker);
      // The token may have been renewed meanwhile.
      assertMayRead(this.#principal, filter);
    } catch (error) {
      this.#forget(name, feed);
      await feed.close().catch(() => {});
      throw error;
    }
    this.#sendSubscribed(name, feed, requestId);
    feed.announce();
  }

  #feedOf(name: string, filter: FilterData, place: PlacedSubscription): PlacedFeed {
    const sources = { texts: this.#texts, frames: this.#frames };
    let encoder!: FeedFrames;
    const feed = new SubscriptionFeed(
      this.#outbound,
      this.#context.cursors,
      (feedPlace) => {
        encoder = new FeedFrames(name, this.#outbound, sources, feedPlace);
        return encoder;
      },
      () => this.#forget(name, feed),
    );
    return { feed, encoder, place, filter };
  }

  #checkName(name: string): void {
    if (!this.#feeds.has(name)) return;
    const message = `this connection has a subscription ${quote(name)} already`;
    const details = { subscription: quote(name) };
    throw new BusError('SUBSCRIPTION_EXISTS', message, { details });
  }

  async #update({ payload, requestId }: FrameOf<'update'>): Promise<void> {
    const placed = this.#placed(payload.subscription);
    const { feed, place } = placed;
    const { filter } = payload;
    assertMayRead(this.#principal, filter);
    this.#rates.subscribe();
    place.update(patternCount(filter));
    await feed.update(filter);
    placed.filter = filter;
    try {
      // The token may have been renewed meanwhile.
      assertMayRead(this.#principal, filter);
    } catch (error) {
      await feed.expel(error);
      throw error;
    }
    // The answer's cursor lies behind all events that were taken, so they have to be sent before it.
    feed.flush();
    this.#sendSubscribed(payload.subscription, feed, requestId);
  }

  async #unsubscribe({ payload, requestId }: FrameOf<'unsubscribe'>): Promise<void> {
    const { subscription } = payload;
    const { feed } = this.#placed(subscription);
    this.#forget(subscription, feed);
    await feed.close();
    this.#outbound.send(frameText('unsubscribed', { subscription }, requestId));
  }

  #placed(name: string): PlacedFeed {
    const placed = this.#feeds.get(name);
    if (placed !== undefined) return placed;
    const message = `this connection has no subscription ${quote(name)}`;
    throw new BusError('SUBSCRIPTION_UNKNOWN', message, { details: { subscription: quote(name) } });
  }

  #forget(name: string, feed: SubscriptionFeed): void {
    const placed = this.#feeds.get(name);
    if (placed?.feed !== feed) return;
    this.#feeds.delete(name);
    placed.place.leave();
  }

  #sendSubscribed(
    subscription: string,
    { cursor }: SubscriptionFeed,
    requestId: RequestId | undefined,
  ): void {
    const payload = { subscription, cursor, epoch: this.#endpoint.epoch };
    this.#outbound.send(frameText('subscribed', payload, requestId));
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
      const events = readFor(this.#endpoint, asker, query);
      const list = { field: 'events', items: events, textOf, end } as const;
      await sendList(this.#outbound, list, requestId);
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
      const topics = topicList(this.#endpoint, this.#principal, payload?.pattern, asker);
      const list = { field: 'topics', items: topics, textOf: JSON.stringify } as const;
      await sendList(this.#outbound, list, requestId);
    });
  }
}

function feedRequestOf(payload: RequestPayload<'subscribe'>): FeedRequest {
  const { subscription: name, filter, from, overflow, maxBuffer, window } = payload;
  const options: SubscribeOptions = { name };
  if (from !== undefined) options.from = from;
  if (overflow !== undefined) options.overflow = overflow;
  if (maxBuffer !== undefined) options.maxBuffer = maxBuffer;
  return { filter, options, window };
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
