import { batch, signal } from '@preact/signals';
import type { BusClient, Event, Gap, Subscription } from 'millrace/client';
import { messageOf } from '../../../text/message-of.js';
import { COUNTED_MAX, DRAW_MS } from '../bounds.js';
import { Run } from './run.js';

/**
 * A run as it grows: its history, then its events as they happen.
 *
 * The subscription is there before the history is read, and its handler waits for the history. So no event falls
 * between the two, each topic's events come in the order of its log, and the page holds no more than the subscription's
 * window meanwhile. An event that both bring is taken once.
 */

export type RunState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'reading' }
  | { readonly kind: 'live' }
  /** The run has more events than are read; it is not followed any further. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface RunOptions {
  readonly correlationId: string;
  /** The patterns that the principal may read. */
  readonly topics: readonly string[];
}

export class TraceRun {
  readonly state = signal<RunState>({ kind: 'idle' });
  /** Changes when the run has grown. */
  readonly turn = signal(0);
  /** Why events of the run may be missing, or be here alone: what happened to the log while it was watched. */
  readonly gaps = signal<ReadonlySet<Gap['reason']>>(new Set());
  /** How many ephemeral events did not come, because the page was behind; no history brings them. */
  readonly missed = signal(0);
  #run = new Run();
  #subscription: Subscription | undefined;
  #timer: number | undefined;

  get run(): Run {
    return this.#run;
  }

  start(client: BusClient, options: RunOptions): void {
    this.stop();
    this.#run = new Run();
    this.gaps.value = new Set();
    this.missed.value = 0;
    this.state.value = { kind: 'reading' };
    this.turn.value++;
    void this.#follow(client, options);
  }

  stop(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    void subscription?.unsubscribe().catch(() => {});
    this.state.value = { kind: 'idle' };
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #follow(client: BusClient, { correlationId, topics }: RunOptions): Promise<void> {
    let endHistory = (): void => {};
    const history = new Promise<void>((resolve) => {
      endHistory = resolve;
    });
    let subscription: Subscription | undefined;
    const isCurrent = (): boolean => this.#subscription === subscription;
    try {
      subscription = client.subscribe(
        { topics, correlationIds: [correlationId] },
        async (event) => {
          await history;
          if (isCurrent()) this.#take(event);
        },
        { from: 'now', name: 'dashboard: trace' },
      );
      this.#subscription = subscription;
      this.#listen(subscription);
      await subscription.ready;
      for await (const event of client.read({ topic: topics, correlationIds: [correlationId] })) {
        if (!isCurrent()) return;
        this.#take(event);
      }
      if (isCurrent()) this.#becomeLive();
    } catch (error) {
      if (isCurrent()) this.#end({ kind: 'failed', reason: messageOf(error) });
    } finally {
      endHistory();
    }
  }

  #listen(subscription: Subscription): void {
    const isCurrent = (): boolean => this.#subscription === subscription;
    subscription.on('gap', (gap) => {
      if (!isCurrent()) return;
      this.gaps.value = new Set(this.gaps.peek()).add(gap.reason);
      if (gap.reason === 'rolled-back') this.#run.rollBack(gap.shard, gap.from);
    });
    // Ephemeral ones alone: the stored ones come from the log.
    subscription.on('dropped', ({ count }) => {
      if (isCurrent()) this.missed.value += count;
    });
    // Told by `closed` as well; without a listener the client would report it too.
    subscription.on('error', () => {});
    subscription.ready.catch(() => {});
    subscription.closed.catch((error) => {
      if (isCurrent()) this.#end({ kind: 'failed', reason: messageOf(error) });
    });
  }

  #becomeLive(): void {
    batch(() => {
      this.state.value = { kind: 'live' };
      this.turn.value++;
    });
  }

  #take(event: Event): void {
    this.#run.add(event);
    if (this.#run.total > COUNTED_MAX) this.#end({ kind: 'cut' });
    this.#draw();
  }

  /** Leaves the bus and keeps what was read. */
  #end(state: RunState): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    void subscription?.unsubscribe().catch(() => {});
    this.state.value = state;
    this.#draw();
  }

  #draw(): void {
    this.#timer ??= window.setTimeout(() => {
      this.#timer = undefined;
      this.turn.value++;
    }, DRAW_MS);
  }
}
