import { signal } from '@preact/signals';
import type { Event } from 'millrace/client';
import { type RowContent, Rows } from './rows.js';

/** Rows that are drawn once for each frame of the screen, however many events a frame brings. */

/** Events that were looked at, and those of them that the search let through. */
export interface EventCounts {
  looked: number;
  matched: number;
}

export abstract class RowView {
  /** Changes when the rows or counts have changed, at most once a frame. */
  readonly turn = signal(0);
  /** Whether the list stays at its end, until somebody scrolls up. */
  abstract readonly isFollowed: boolean;
  #rows = new Rows();
  #counts: EventCounts = { looked: 0, matched: 0 };
  #frame: number | undefined;

  get rows(): Rows {
    return this.#rows;
  }

  get counts(): Readonly<EventCounts> {
    return this.#counts;
  }

  /** A hidden page draws no frames; the rows are bounded whether they are drawn or not. */
  readonly redraw = (): void => {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.turn.value++;
    });
  };

  note(text: string): void {
    this.mark({ kind: 'note', text, at: Date.now() });
  }

  protected mark(content: Exclude<RowContent, { kind: 'event' }>): void {
    this.#rows.addMark(content);
    this.redraw();
  }

  protected look(event: Event, matches: ((event: Event) => boolean) | undefined): void {
    this.#counts.looked++;
    if (matches?.(event) ?? true) {
      this.#counts.matched++;
      this.#rows.addEvent(event);
    }
    this.redraw();
  }

  /** Forgets the rows and begins to count anew. */
  protected clear(): void {
    this.#rows = new Rows();
    this.#counts = { looked: 0, matched: 0 };
    this.redraw();
  }

  protected stopDrawing(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
  }
}
