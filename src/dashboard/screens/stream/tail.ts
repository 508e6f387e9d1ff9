import { signal } from '@preact/signals';
import type { BusClient, Event, Filter, SubscribeFrom, Subscription } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { Rows } from './rows.js';

/**
 * A live stream: one subscription and the rows that its events become.
 *
 * The subscription lets nothing go (`catch-up`), so an event that the list does not show has been counted by the list.
 * Rows are drawn once for each frame of the screen, however many events a frame brings.
 */

export type TailState =
  | { readonly kind: 'idle' }
  /** The server is replaying history, or has not answered yet. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Events that arrived, and those of them that the search let through. */
export interface TailCounts {
  arrived: number;
  matched: number;
}

export interface TailOptions {
  readonly filter: Filter;
  readonly from: SubscribeFrom;
  /** Default: every event. */
  readonly matches?: (event: Event) => boolean;
}

export class Tail {
  readonly state = signal<TailState>({ kind: 'idle' });
  /** Changes when the rows or counts have changed, at most once a frame. */
  readonly turn = signal(0);
  #rows = new Rows();
  #counts: TailCounts = { arrived: 0, matched: 0 };
  #subscription: Subscription | undefined;
  #options: TailOptions | undefined;
  /** Where a paused stream goes on; `''` before the server has said where it began. */
  #pausedAt = '';
  #frame: number | undefined;

  get rows(): Rows {
    return this.#rows;
  }

  get counts(): Readonly<TailCounts> {
    return this.#counts;
  }

  /** Begins anew, without the rows of before. */
  start(client: BusClient, options: TailOptions): void {
    this.stop();
    this.#rows = new Rows();
    this.#counts = { arrived: 0, matched: 0 };
    this.#pausedAt = '';
    this.#subscribe(client, options);
    this.redraw();
  }

  /** Begins anew in the state of a stream that was paused at this cursor. */
  startPaused(options: TailOptions, cursor: string): void {
    this.stop();
    this.#rows = new Rows();
    this.#counts = { arrived: 0, matched: 0 };
    this.#options = options;
    this.#pausedAt = cursor;
    this.state.value = { kind: 'paused' };
    this.redraw();
  }

  /** Leaves the bus and keeps the place. Returns its cursor. */
  pause(): string {
    this.#pausedAt = this.#subscription?.cursor ?? this.#pausedAt;
    this.#leave();
    this.state.value = { kind: 'paused' };
    return this.#pausedAt;
  }

  /** Goes on where it was paused, so that nothing is missing, or from now on. */
  resume(client: BusClient, isFromNow = false): void {
    const options = this.#options!;
    const from = this.#pausedAt === '' ? options.from : { after: this.#pausedAt };
    if (isFromNow) this.note('Resumed from now; the events of the pause are not shown.');
    this.#subscribe(client, options, isFromNow ? 'now' : from);
  }

  /** Says why there can be no stream. */
  refuse(reason: string): void {
    this.stop();
    this.state.value = { kind: 'failed', reason };
  }

  stop(): void {
    this.#leave();
    this.state.value = { kind: 'idle' };
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
  }

  note(text: string): void {
    this.#rows.addMark({ kind: 'note', text, at: Date.now() });
    this.redraw();
  }

  /** A hidden page draws no frames; the rows are bounded whether they are drawn or not. */
  readonly redraw = (): void => {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.turn.value++;
    });
  };

  #subscribe(client: BusClient, options: TailOptions, from: SubscribeFrom = options.from): void {
    this.#options = options;
    this.state.value = { kind: 'starting' };
    try {
      const subscription = client.subscribe(options.filter, (event) => this.#take(event), {
        from,
        name: 'dashboard: stream',
      });
      this.#subscription = subscription;
      this.#listen(subscription);
    } catch (error) {
      this.state.value = { kind: 'failed', reason: messageOf(error) };
    }
  }

  #listen(subscription: Subscription): void {
    const isCurrent = (): boolean => this.#subscription === subscription;
    subscription.on('gap', (gap) => {
      if (!isCurrent()) return;
      this.#rows.addMark({ kind: 'gap', gap });
      this.redraw();
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

  #take(event: Event): void {
    this.#counts.arrived++;
    if (this.#options?.matches?.(event) ?? true) {
      this.#counts.matched++;
      this.#rows.addEvent(event);
    }
    this.redraw();
  }

  #leave(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    void subscription?.unsubscribe().catch(() => {});
  }
}
