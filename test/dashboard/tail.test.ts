import type { Event, SubscriptionEvents } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import {
  Tail,
  type TailClient,
  type TailSubscription,
} from '../../src/dashboard/screens/stream/tail.js';

class Subscription implements TailSubscription {
  readonly cursor = 'c1';
  readonly ready = Promise.resolve();
  readonly closed = new Promise<void>(() => {});
  readonly #listeners = new Map<string, unknown>();
  readonly handle: (event: Event) => void;

  constructor(handle: (event: Event) => void) {
    this.handle = handle;
  }

  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): this {
    this.#listeners.set(event, listener);
    return this;
  }

  tell(event: keyof SubscriptionEvents, message: unknown): void {
    const listener = this.#listeners.get(event);
    if (typeof listener === 'function') listener(message);
  }

  async unsubscribe(): Promise<void> {}
}

class Client implements TailClient {
  readonly subscriptions: Subscription[] = [];

  subscribe(_filter: unknown, handle: (event: Event) => void): Subscription {
    const subscription = new Subscription(handle);
    this.subscriptions.push(subscription);
    return subscription;
  }
}

/** Nothing is drawn. */
const noFrames = () => () => {};

const OPTIONS = { filter: { topics: ['*'] }, from: 'now' } as const;

function started(): { tail: Tail; subscription: Subscription } {
  const client = new Client();
  const tail = new Tail(noFrames);
  tail.start(client, OPTIONS);
  return { tail, subscription: client.subscriptions[0]! };
}

describe('a live stream', () => {
  it('counts the ephemeral events that it was too slow for, and shows where they are missing', () => {
    const { tail, subscription } = started();
    subscription.tell('dropped', { count: 7 });
    subscription.tell('dropped', { count: 5 });
    expect(tail.counts.missed).toBe(12);
    expect(tail.rows.at(0)).toMatchObject({ kind: 'missed', events: 7 });
    expect(tail.rows.at(1)).toMatchObject({ kind: 'missed', events: 5 });
  });

  it('hears nothing more of a subscription that it has left', () => {
    const { tail, subscription } = started();
    tail.pause();
    subscription.tell('dropped', { count: 7 });
    expect(tail.counts.missed).toBe(0);
    expect(tail.rows.count).toBe(0);
  });

  it('shows no rows of before where it is refused', () => {
    const { tail, subscription } = started();
    subscription.tell('gap', { shard: 0, from: 1, to: 2, reason: 'pruned' });
    expect(tail.rows.count).toBe(1);
    tail.refuse('The search cannot be read.');
    expect(tail.rows.count).toBe(0);
    expect(tail.state.value).toEqual({ kind: 'refused', reason: 'The search cannot be read.' });
    expect(tail.isOn).toBe(false);
  });
});
