import { signal } from '@preact/signals';
import type { Event, Filter, SubscribeFrom, SubscriptionEvents } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { RowView } from './row-view.js';

/**
 * A live stream: one subscription and the rows that its events become.
 *
 * The subscription lets nothing go (`catch-up`), so an event that the list does not show has been counted by the list.
 */

export type TailState =
  | { readonly kind: 'idle' }
  /** The server is replaying history, or has not answered yet. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** There is nothing that could be asked for. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface TailOptions {
  readonly filter: Filter;
  readonly from: SubscribeFrom;
  /** Default: every event. */
  readonly matches?: (event: Event) => boolean;
}

/** What a stream needs of the client. */
export interface TailClient {
  subscribe(
    filter: Filter,
    handler: (event: Event) => void,
    options: { readonly from: SubscribeFrom; readonly name: string },
  ): TailSubscription;
}

export interface TailSubscription {
  readonly cursor: string;
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  on<E extends keyof SubscriptionEvents>(event: E, listener: SubscriptionEvents[E]): unknown;
  unsubscribe(): Promise<void>;
}

export class Tail extends RowView {
  readonly isFollowed = true;
  readonly state = signal<TailState>({ kind: 'idle' });
  #subscription: TailSubscription | undefined;
  #options: TailOptions | undefined;
  /** Where a paused stream goes on; `''` before the server has said where it began. */
  #pausedAt = '';

  /** Whether it gets events, or will once the server can be reached. */
  get isOn(): boolean {
    const { kind } = this.state.peek();
    return kind === 'starting' || kind === 'live';
  }

  /** Where it was paused, `''` for where it was to begin; `undefined` unless it is paused. */
  get pausedAt(): string | undefined {
    return this.state.peek().kind === 'paused' ? this.#pausedAt : undefined;
  }

  /** Begins anew, without the rows of before. */
  start(client: TailClient, options: TailOptions): void {
    this.stop();
    this.clear();
    this.#pausedAt = '';
    this.#subscribe(client, options);
  }

  /** Begins anew in the state of a stream that was paused at this cursor. */
  startPaused(options: TailOptions, cursor: string): void {
    this.stop();
    this.clear();
    this.#options = options;
    this.#pausedAt = cursor;
    this.state.value = { kind: 'paused' };
  }

  /** Leaves the bus and keeps the place. Returns its cursor. */
  pause(): string {
    this.#pausedAt = this.#subscription?.cursor ?? this.#pausedAt;
    this.#leave();
    this.state.value = { kind: 'paused' };
    return this.#pausedAt;
  }

  /** Goes on where it was paused, so that nothing is missing, or from now on. */
  resume(client: TailClient, isFromNow = false): void {
    const options = this.#options!;
    const from = this.#pausedAt === '' ? options.from : { after: this.#pausedAt };
    if (isFromNow) this.note('Resumed from now; the events of the pause are not shown.');
    this.#subscribe(client, options, isFromNow ? 'now' : from);
  }

  /** Says why there can be no stream. */
  refuse(reason: string): void {
    this.stop();
    this.clear();
    this.state.value = { kind: 'refused', reason };
  }

  stop(): void {
    this.#leave();
    this.state.value = { kind: 'idle' };
    this.stopDrawing();
  }

  #subscribe(client: TailClient, options: TailOptions, from: SubscribeFrom = options.from): void {
    this.#options = options;
    this.state.value = { kind: 'starting' };
    try {
      const subscription = client.subscribe(
        options.filter,
        (event) => this.look(event, options.matches),
        { from, name: 'dashboard: stream' },
      );
      this.#subscription = subscription;
      this.#listen(subscription);
    } catch (error) {
      this.state.value = { kind: 'failed', reason: messageOf(error) };
    }
  }

  #listen(subscription: TailSubscription): void {
    const isCurrent = (): boolean => this.#subscription === subscription;
    subscription.on('gap', (gap) => {
      if (isCurrent()) this.mark({ kind: 'gap', gap });
    });
    // Ephemeral ones alone: the stored ones come from the log.
    subscription.on('dropped', ({ count }) => {
      if (isCurrent()) this.miss(count);
    });
    subscription.on('caughtUp', () => {
      if (isCurrent()) this.state.value = { kind: 'live' };
    });
    // Told by `closed` as well; without a listener the client would report it too.
    subscription.on('error', () => {});
    subscription.ready.catch(() => {});
    subscription.closed.catch((error) => {
      if (!isCurrent()) return;
      this.#subscription = undefined;
      this.state.value = { kind: 'failed', reason: messageOf(error) };
    });
  }

  #leave(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    void subscription?.unsubscribe().catch(() => {});
  }
}
