import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { SubscribeOptions } from '../../protocol/bus-api.js';
import { BusError } from '../../protocol/errors.js';
import type { FilterData } from '../../protocol/filter.js';
import { quote } from '../../protocol/quote.js';
import type { ClientFrame, RequestId, RequestPayload } from '../../protocol/wire.js';
import type { Budget, PlacedSubscription } from '../budget/budget.js';
import type { CursorTexts } from '../cursor-texts.js';
import type { EventTexts } from '../event-texts.js';
import { assertMayRead, patternCount } from '../permissions.js';
import { type FeedRequest, SubscriptionFeed } from '../subscription-feed.js';
import { FeedFrames } from './feed-frames.js';
import { frameText } from './frames.js';
import type { Outbound } from './outbound.js';
import type { SharedFrames } from './shared-frames.js';

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

type SubscriptionFrame = FrameOf<'subscribe' | 'update' | 'unsubscribe' | 'consumed'>;

export function isSubscriptionFrame(frame: ClientFrame): frame is SubscriptionFrame {
  const { type } = frame;
  return type === 'subscribe' || type === 'update' || type === 'unsubscribe' || type === 'consumed';
}

/** A subscription, and its part of the connection's budget. */
interface PlacedFeed {
  readonly feed: SubscriptionFeed;
  readonly encoder: FeedFrames;
  readonly place: PlacedSubscription;
  /** Checked against the new grants when the connection renews its token. */
  filter: FilterData;
}

/** The client as it is now: its token may be renewed. */
interface Subscriber {
  readonly principal: Principal;
  readonly rates: ConnectionRates;
  readonly texts: EventTexts;
  readonly budget: Budget;
  /** The connection's id. */
  readonly connection: string;
}

interface SubscriptionContext {
  readonly endpoint: BusEndpoint;
  readonly frames: SharedFrames;
  readonly cursors: CursorTexts;
}

/** The subscriptions of one connection. */
export class SubscriptionRequests {
  readonly #context: SubscriptionContext;
  readonly #asker: () => Subscriber;
  readonly #outbound: Outbound;
  readonly #feeds = new Map<string, PlacedFeed>();

  constructor(context: SubscriptionContext, asker: () => Subscriber, outbound: Outbound) {
    this.#context = context;
    this.#asker = asker;
    this.#outbound = outbound;
  }

  get size(): number {
    return this.#feeds.size;
  }

  async answer(frame: SubscriptionFrame): Promise<void> {
    switch (frame.type) {
      case 'subscribe':
        return this.#subscribe(frame);
      case 'update':
        return this.#update(frame);
      case 'unsubscribe':
        return this.#unsubscribe(frame);
      case 'consumed':
        // The frame has no answer, not even where the subscription has ended meanwhile.
        this.#feeds.get(frame.payload.subscription)?.feed.consumed(frame.payload.events);
    }
  }

  /** Subscriptions that the new grants do not cover end with `FORBIDDEN`. */
  renew(principal: Principal, texts: EventTexts): void {
    for (const { feed, encoder, filter } of [...this.#feeds.values()]) {
      try {
        assertMayRead(principal, filter);
        encoder.show(texts);
      } catch (error) {
        feed.expel(error).catch(() => {});
      }
    }
  }

  /** Ends them all. Events that they have batched are sent if the socket is open. */
  async close(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    await Promise.allSettled(feeds.map(({ feed }) => feed.close()));
  }

  async #subscribe({ payload, requestId }: FrameOf<'subscribe'>): Promise<void> {
    const { subscription: name, filter } = payload;
    this.#checkName(name);
    const { principal, rates, budget, connection } = this.#asker();
    assertMayRead(principal, filter);
    const place = budget.subscribe(patternCount(filter));
    try {
      rates.subscribe();
    } catch (error) {
      place.leave();
      throw error;
    }
    const placed = this.#feedOf(name, filter, place);
    const { feed } = placed;
    this.#feeds.set(name, placed);
    try {
      const client = { principal: principal.name, connection };
      const asker = place.asker(this.#context.endpoint.shards, client);
      await feed.open(this.#context.endpoint, feedRequestOf(payload), asker);
      // The token may have been renewed meanwhile.
      assertMayRead(this.#asker().principal, filter);
    } catch (error) {
      this.#forget(name, feed);
      await feed.close().catch(() => {});
      throw error;
    }
    this.#sendSubscribed(name, feed, requestId);
    feed.announce();
  }

  #feedOf(name: string, filter: FilterData, place: PlacedSubscription): PlacedFeed {
    const sources = { texts: this.#asker().texts, frames: this.#context.frames };
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
    assertMayRead(this.#asker().principal, filter);
    this.#asker().rates.subscribe();
    place.update(patternCount(filter));
    await feed.update(filter);
    placed.filter = filter;
    try {
      // The token may have been renewed meanwhile.
      assertMayRead(this.#asker().principal, filter);
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
    const payload = { subscription, cursor, epoch: this.#context.endpoint.epoch };
    this.#outbound.send(frameText('subscribed', payload, requestId));
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
