import { signal } from '@preact/signals';
import { moved, showing, type TimeWindow, wholeOf, zoomed } from './time-window.js';

/** What part of the run the timeline shows, and how wide it is. While it shows the whole run, it follows its growth. */
/** The factor of one step of the zoom. */
export const ZOOM = 1.5;

export class TimelineView {
  readonly width = signal(0);
  readonly #chosen = signal<TimeWindow | undefined>(undefined);
  #whole: TimeWindow = wholeOf(0, 0);

  /** The times of the run's first and last event. */
  setRun(first: number, last: number): void {
    this.#whole = wholeOf(first, last);
  }

  get shown(): TimeWindow {
    return this.#chosen.value ?? this.#whole;
  }

  get isWhole(): boolean {
    return this.#chosen.value === undefined;
  }

  /** The time at a distance from the left edge, in pixels. */
  timeAt(x: number): number {
    const { from, to } = this.shown;
    return from + (x / this.width.value) * (to - from);
  }

  zoom(factor: number, at: number): void {
    this.#set(zoomed(this.shown, factor, at, this.#whole));
  }

  /** By a share of what is shown. */
  move(share: number): void {
    this.#set(moved(this.shown, share, this.#whole));
  }

  reveal(at: number): void {
    if (!this.isWhole) this.#set(showing(this.shown, at, this.#whole));
  }

  showWhole(): void {
    this.#chosen.value = undefined;
  }

  #set(next: TimeWindow): void {
    const { from, to } = this.#whole;
    this.#chosen.value = next.from <= from && next.to >= to ? undefined : next;
  }
}
