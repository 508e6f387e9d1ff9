import { signal } from '@preact/signals';
import type { Event, Query } from 'millrace/client';
import { messageOf } from '../../text/message-of.js';
import { HITS_MAX, SLICE_MS } from './bounds.js';
import { Progress } from './progress.js';
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
  | { readonly kind: 'failed'; readonly reason: string }
  /** There is nothing that could be searched for. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What a search needs of the client. */
export interface HistoryReader {
  read(query: Query): AsyncIterable<Event>;
  query(query: Query): Promise<readonly Event[]>;
}

export interface HistoryOptions {
  readonly query: Query;
  /** Default: every event. */
  readonly matches?: (event: Event) => boolean;
}

export class HistorySearch extends RowView {
  readonly isFollowed = false;
  readonly state = signal<HistoryState>({ kind: 'idle' });
  #options: HistoryOptions | undefined;
  /** The last event that was looked at. */
  #last: Event | undefined;
  #progress = new Progress();
  /** Counts runs, so that one that was left knows it. */
  #run = 0;

  /** 0 to 1; `undefined` before it can be known. */
  get progress(): number | undefined {
    return this.#progress.value;
  }

  start(reader: HistoryReader, options: HistoryOptions): void {
    this.clear();
    this.#options = options;
    this.#last = undefined;
    this.#progress = new Progress();
    void learnEnd(reader, options.query, this.#progress);
    this.goOn(reader);
  }

  /** Goes on where it stopped. */
  goOn(reader: HistoryReader): void {
    const options = this.#options;
    if (options === undefined) return;
    const run = ++this.#run;
    this.state.value = { kind: 'searching' };
    this.#search(reader, options, () => run === this.#run).catch((error) => {
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
    this.clear();
    this.#options = undefined;
    this.state.value = { kind: 'refused', reason };
  }

  stop(): void {
    this.#run++;
    this.state.value = { kind: 'idle' };
    this.stopDrawing();
  }

  async #search(
    reader: HistoryReader,
    { query, matches }: HistoryOptions,
    isCurrent: () => boolean,
  ): Promise<void> {
    const after = this.#last?.cursor;
    const hitsMax = this.counts.matched + HITS_MAX;
    let sliceEnd = performance.now() + SLICE_MS;
    for await (const event of reader.read(after === undefined ? query : { ...query, after })) {
      if (!isCurrent()) return;
      this.look(event, matches);
      this.#last = event;
      this.#progress.pass(event);
      if (this.counts.matched >= hitsMax) {
        this.state.value = { kind: 'stopped', why: 'full' };
        return;
      }
      if (performance.now() >= sliceEnd) {
        await othersFirst();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    if (!isCurrent()) return;
    this.state.value = { kind: 'done' };
    this.redraw();
  }
}

/** The search goes on meanwhile: without the answer it says only that it goes on. */
async function learnEnd(reader: HistoryReader, query: Query, progress: Progress): Promise<void> {
  try {
    const [newest] = await reader.query({ ...query, reverse: true, limit: 1 });
    if (newest !== undefined) progress.endAt(newest);
  } catch {
    // The reason, if it is one for the search too, comes with its own answer.
  }
}

/** Lets the page answer clicks and draw. */
function othersFirst(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
