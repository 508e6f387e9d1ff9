import { signal } from '@preact/signals';
import type { BusClient, Event, Query } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { HITS_MAX, SLICE_MS } from './bounds.js';
import { Progress, spansOf } from './progress.js';
import { RowView } from './row-view.js';

/**
 * A search through what is stored, oldest first. It reads page after page and looks at the events in slices, so that
 * the page answers a click meanwhile. It stops after a bounded number of hits, and goes on from there.
 */

export type HistoryState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'searching' }
  /** `full`: it has found as many as it shows at once. */
  | { readonly kind: 'stopped'; readonly why: 'cancelled' | 'full' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface HistoryOptions {
  readonly query: Query;
  /** Default: every event. */
  readonly matches?: (event: Event) => boolean;
}

export class HistorySearch extends RowView {
  readonly isFollowed = false;
  readonly state = signal<HistoryState>({ kind: 'idle' });
  #options: HistoryOptions | undefined;
  /** Behind the last event that was looked at. */
  #cursor: string | undefined;
  #progress: Progress | undefined;
  /** Counts runs, so that one that was left knows it. */
  #run = 0;

  /** 0 to 1; `undefined` before it can be known. */
  get progress(): number | undefined {
    return this.#progress?.value;
  }

  start(client: BusClient, options: HistoryOptions): void {
    this.clear();
    this.#options = options;
    this.#cursor = options.query.after;
    this.#progress = undefined;
    this.goOn(client);
  }

  /** Goes on where it stopped. */
  goOn(client: BusClient): void {
    const run = ++this.#run;
    this.state.value = { kind: 'searching' };
    this.#search(client, () => run === this.#run).catch((error) => {
      if (run === this.#run) this.state.value = { kind: 'failed', reason: messageOf(error) };
    });
  }

  cancel(): void {
    this.#run++;
    this.state.value = { kind: 'stopped', why: 'cancelled' };
    this.redraw();
  }

  /** Says why there can be no search. */
  refuse(reason: string): void {
    this.stop();
    this.state.value = { kind: 'failed', reason };
  }

  stop(): void {
    this.#run++;
    this.state.value = { kind: 'idle' };
    this.stopDrawing();
  }

  async #search(client: BusClient, isCurrent: () => boolean): Promise<void> {
    const { query, matches } = this.#options!;
    const progress = (this.#progress ??= await progressOf(client, query));
    const after = this.#cursor;
    const hitsMax = this.counts.matched + HITS_MAX;
    let sliceEnd = performance.now() + SLICE_MS;
    for await (const event of client.read(after === undefined ? query : { ...query, after })) {
      if (!isCurrent()) return;
      this.look(event, matches);
      progress.pass(event);
      const isFull = this.counts.matched >= hitsMax;
      const isOver = performance.now() >= sliceEnd;
      if (isFull || isOver) this.#cursor = event.cursor;
      if (isFull) {
        this.state.value = { kind: 'stopped', why: 'full' };
        return;
      }
      if (isOver) {
        await othersFirst();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    if (isCurrent()) this.state.value = { kind: 'done' };
    this.redraw();
  }
}

async function progressOf(client: BusClient, query: Query): Promise<Progress> {
  const { topic, since, until } = query;
  const patterns = typeof topic === 'string' ? [topic] : (topic as readonly string[]);
  const lists = await Promise.all(patterns.map((pattern) => client.topics(pattern)));
  return new Progress(spansOf(lists.flat()), { since, until, now: Date.now() });
}

/** Lets the page answer clicks and draw. */
function othersFirst(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
