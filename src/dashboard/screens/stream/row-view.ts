import { signal } from '@preact/signals';
import type { Event } from 'millrace/client';
import { serverNow } from '../../state/now.js';
import { type RowContent, Rows } from './rows.js';

/** Rows that are drawn once for each frame of the screen, however many events a frame brings. */

export interface EventCounts {
  /** Events that were looked at. */
  looked: number;
  /** Those of them that the search let through. */
  matched: number;
  /** Ephemeral events that the server has not sent. */
  missed: number;
}

const NONE: EventCounts = { looked: 0, matched: 0, missed: 0 };

/** Acts before the next frame of the screen. Returns how to give that up. */
export type OnNextFrame = (act: () => void) => () => void;

export abstract class RowView {
  /** Changes when the rows or counts have changed, at most once a frame. */
  readonly turn = signal(0);
  /** Whether the list stays at its end, until somebody scrolls up. */
  abstract readonly isFollowed: boolean;
  #rows = new Rows();
  #counts: EventCounts = { ...NONE };
  readonly #onNextFrame: OnNextFrame;
  #cancelFrame: (() => void) | undefined;

  constructor(onNextFrame: OnNextFrame) {
    this.#onNextFrame = onNextFrame;
  }

  get rows(): Rows {
    return this.#rows;
  }

  get counts(): Readonly<EventCounts> {
    return this.#counts;
  }

  /** A hidden page draws no frames; the rows are bounded whether they are drawn or not. */
  readonly redraw = (): void => {
    this.#cancelFrame ??= this.#onNextFrame(() => {
      this.#cancelFrame = undefined;
      this.turn.value++;
    });
  };

  note(text: string): void {
    this.mark({ kind: 'note', text, at: serverNow() });
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

  protected miss(events: number): void {
    this.#counts.missed += events;
    this.mark({ kind: 'missed', events });
  }

  /** Forgets the rows and begins to count anew. */
  protected clear(): void {
    this.#rows = new Rows();
    this.#counts = { ...NONE };
    this.redraw();
  }

  protected stopDrawing(): void {
    this.#cancelFrame?.();
    this.#cancelFrame = undefined;
  }
}
