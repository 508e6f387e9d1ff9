import type { Gap } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { FilterInput } from '../protocol/filter.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import { messageOf } from '../protocol/thrown.js';
import type { BusClient } from './bus-client.js';
import { isPageHidden, watchVisibility } from './page-hints.js';
import type { StateChange } from './reconnector.js';
import type { ClientSubscribeOptions } from './subscribe-options.js';
import type { SubscriptionHandle } from './subscription.js';

/**
 * A subscription as a store that a user interface can watch: its newest events and its state, as a snapshot that
 * changes only together with a call of the listeners. One snapshot is made for all events that arrive in a turn of the
 * event loop, and it leaves none of them out.
 *
 * It subscribes while it has a listener. A listener removed and added again in the same turn, as React does in its
 * strict mode, finds it unchanged.
 */

/**
 * `off`: there is no listener, or `enabled` is false. `pending`: the server does not have it yet. `paused`: the page is
 * hidden.
 */
export type SubscriptionState = 'off' | 'pending' | 'live' | 'paused' | 'failed';

export interface SubscriptionSnapshot<P = unknown> {
  /** The newest events, at most `history`, the oldest of them first. */
  readonly events: readonly Event<P>[];
  readonly latest: Event<P> | undefined;
  readonly state: SubscriptionState;
  readonly error: BusError | undefined;
  /** How far the subscription has got; `''` before the server has said where it begins. */
  readonly cursor: string;
  /** The last gap that was reported. */
  readonly gap: Gap | undefined;
  /** How many events `overflow` has dropped. */
  readonly dropped: number;
}

/**
 * Where to begin anew if the server does not know the history of the cursor any more; `undefined`: the subscription
 * fails.
 */
export type OnExpired = 'earliest' | 'now' | ((error: BusError) => SubscribeFrom | undefined);

export interface StoreOptions<P> extends Omit<ClientSubscribeOptions<P>, 'signal'> {
  readonly history: number;
  readonly pauseWhenHidden: boolean;
  readonly throttleMs: number;
  readonly onExpired?: OnExpired;
}

export const NOTHING: SubscriptionSnapshot<never> = Object.freeze({
  events: Object.freeze([]),
  latest: undefined,
  state: 'off',
  error: undefined,
  cursor: '',
  gap: undefined,
  dropped: 0,
});

export class SubscriptionStore<P> {
  readonly #client: BusClient;
  readonly #filter: FilterInput<P>;
  readonly #options: StoreOptions<P>;
  readonly #listeners = new Set<() => void>();
  #snapshot: SubscriptionSnapshot<P> = NOTHING;
  #events: Event<P>[] = [];
  #state: SubscriptionState = 'off';
  #error: BusError | undefined;
  #subscription: SubscriptionHandle<P> | undefined;
  /** How far the store's earlier subscription got. */
  #cursor = '';
  /** Overrides `from` of the options. */
  #from: SubscribeFrom | undefined;
  /** The store began anew after an expired cursor, and has not been live since. */
  #isAfterExpiry = false;
  #gap: Gap | undefined;
  /** Events dropped by the store's earlier subscriptions. */
  #dropped = 0;
  #release: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #isRefreshDue = false;
  #unwatch: (() => void) | undefined;

  constructor(client: BusClient, filter: FilterInput<P>, options: StoreOptions<P>) {
    this.#client = client;
    this.#filter = filter;
    this.#options = options;
  }

  /** Adds a listener; the returned function removes it. Bound, for `useSyncExternalStore`. */
  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    clearTimeout(this.#release);
    this.#release = undefined;
    if (this.#unwatch === undefined) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#release = setTimeout(() => this.#stop(), 0);
    };
  };

  readonly snapshot = (): SubscriptionSnapshot<P> => this.#snapshot;

  /** Forgets the events; the subscription goes on. */
  readonly clear = (): void => {
    this.#events = [];
    this.#changed();
  };

  /**
   * Begins anew with no events, at `from` or, without it, where the options say; also after a failure. Makes a client
   * that has given up connect again.
   */
  readonly restart = (from?: SubscribeFrom): void => {
    this.#leave();
    this.#from = from;
    this.#forget();
    // Without a listener it begins when the first is added.
    if (this.#unwatch === undefined) return;
    if (this.#client.state !== 'failed') this.#begin();
    else {
      this.#become('failed');
      this.#client.connect();
    }
  };

  #start(): void {
    const unwatchPage = this.#options.pauseWhenHidden
      ? watchVisibility(() => this.#onVisibility())
      : () => {};
    this.#client.on('state', this.#onClientState);
    this.#unwatch = () => {
      unwatchPage();
      this.#client.off('state', this.#onClientState);
    };
    this.#begin();
  }

  #stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#leave();
    clearTimeout(this.#refresh);
    this.#isRefreshDue = false;
    this.#become('off');
  }

  #begin(): void {
    if (this.#options.pauseWhenHidden && isPageHidden()) {
      this.#become('paused');
      return;
    }
    const {
      history: _,
      pauseWhenHidden: __,
      throttleMs: ___,
      onExpired: ____,
      ...options
    } = this.#options;
    if (this.#cursor !== '') options.from = { after: this.#cursor };
    else if (this.#from !== undefined) options.from = this.#from;
    this.#become('pending');
    try {
      this.#subscription = this.#client.subscribe<P>(
        this.#filter,
        (event: Event<P>) => this.#take(event),
        options,
      );
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#watch(this.#subscription);
  }

  #watch(subscription: SubscriptionHandle<P>): void {
    const isOurs = (): boolean => this.#subscription === subscription;
    // Handled by `closed` below; the listener keeps the error from being reported as unhandled.
    subscription.on('error', () => {});
    subscription.on('gap', (gap) => {
      if (!isOurs()) return;
      this.#gap = gap;
      this.#changed();
    });
    subscription.on('dropped', () => isOurs() && this.#changed());
    subscription.ready.then(
      () => {
        if (!isOurs()) return;
        this.#isAfterExpiry = false;
        this.#become('live');
      },
      () => {},
    );
    subscription.closed.catch((error: unknown) => {
      if (isOurs()) this.#failed(error);
    });
  }

  #leave(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription === undefined) return;
    this.#cursor = subscription.cursor;
    this.#dropped += subscription.dropped;
    void subscription.unsubscribe();
  }

  #failed(error: unknown): void {
    this.#leave();
    const failure = failureOf(error);
    try {
      if (failure.code === 'CURSOR_EXPIRED' && this.#goOnAfter(failure)) return;
      this.#error = failure;
    } catch (cause) {
      this.#error = failureOf(cause);
    }
    this.#become('failed');
  }

  /**
   * Begins anew after `CURSOR_EXPIRED`, if `onExpired` says where; false if it does not. Only once until the
   * subscription is live, or a start that expires as well would be tried without end.
   */
  #goOnAfter(error: BusError): boolean {
    const { onExpired } = this.#options;
    if (onExpired === undefined || this.#isAfterExpiry) return false;
    const from = typeof onExpired === 'function' ? onExpired(error) : onExpired;
    if (from === undefined) return false;
    this.#isAfterExpiry = true;
    this.#from = from;
    this.#forget();
    this.#begin();
    return true;
  }

  /** Forgets the events and the position of a history that is not followed any more. */
  #forget(): void {
    this.#cursor = '';
    this.#gap = undefined;
    this.#dropped = 0;
    this.clear();
  }

  #onVisibility(): void {
    if (isPageHidden()) {
      if (this.#subscription === undefined) return;
      this.#leave();
      this.#become('paused');
    } else if (this.#state === 'paused') this.#begin();
  }

  /**
   * The client has given up, or tries again. Its giving up is handled here and not when `closed` rejects: by then the
   * client may be trying again, and nothing would subscribe.
   */
  readonly #onClientState = ({ state, previous, error }: StateChange): void => {
    const hasGivenUp = state === 'failed' && this.#client.state === 'failed';
    if (hasGivenUp && this.#subscription !== undefined) this.#failed(error);
    if (previous === 'failed' && state === 'connecting' && this.#state === 'failed') this.#begin();
  };

  #take(event: Event<P>): void {
    this.#events.push(event);
    // Old events are cut off in bulk, so that an event does not cost a copy of the others.
    const { history } = this.#options;
    if (this.#events.length > 2 * history + 16) this.#events = this.#newest(Math.max(1, history));
    this.#changed();
  }

  #become(state: SubscriptionState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state !== 'failed') this.#error = undefined;
    this.#changed();
  }

  #changed(): void {
    if (this.#isRefreshDue) return;
    this.#isRefreshDue = true;
    const { throttleMs } = this.#options;
    const refresh = (): void => {
      if (!this.#isRefreshDue) return;
      this.#isRefreshDue = false;
      this.#publish();
    };
    if (throttleMs > 0) this.#refresh = setTimeout(refresh, throttleMs);
    else queueMicrotask(refresh);
  }

  #publish(): void {
    const { history } = this.#options;
    const latest = this.#events[this.#events.length - 1];
    this.#snapshot = {
      events: this.#newest(history),
      latest,
      state: this.#state,
      error: this.#error,
      cursor: this.#subscription?.cursor || this.#cursor,
      gap: this.#gap,
      dropped: this.#dropped + (this.#subscription?.dropped ?? 0),
    };
    for (const listener of [...this.#listeners]) listener();
  }

  #newest(count: number): Event<P>[] {
    // `slice(-0)` would be all of them.
    return count === 0 ? this.#events.slice(-1).slice(1) : this.#events.slice(-count);
  }
}

function failureOf(error: unknown): BusError {
  if (error instanceof BusError) return error;
  const message = `the subscription failed: ${messageOf(error)}`;
  return new BusError('HANDLER_FAILED', message, { cause: error });
}
