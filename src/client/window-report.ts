import { CLIENT_WINDOW_BYTES } from '../protocol/limits.js';

/**
 * What of a subscription's window has been consumed and is owed to the server, in events and in characters. A connection
 * gives a new window, which does not count what came over the ones before.
 */

/** What is consumed is told before this share of the window is owed; well below a third, see `take`. */
const REPORT_SHARE = 8;

export class WindowReport {
  readonly #windowEvents: number;
  readonly #isPrompt: boolean;
  /** Of what is held, the events that came over an earlier connection. */
  #foreign = 0;
  #owedEvents = 0;
  #owedChars = 0;

  /** `isPrompt`: whatever is consumed is told at once, as its length is not known. */
  constructor(windowEvents: number, isPrompt: boolean) {
    this.#windowEvents = windowEvents;
    this.#isPrompt = isPrompt;
  }

  /** A new window opens, on top of the events that are held already. */
  open(held: number): void {
    this.#foreign = held;
    this.#owedEvents = 0;
    this.#owedChars = 0;
  }

  consumed(events: number, chars: number): void {
    const foreign = Math.min(this.#foreign, events);
    this.#foreign -= foreign;
    this.#owedEvents += events - foreign;
    this.#owedChars += chars;
  }

  /**
   * The events to tell the server now, or 0 if that can wait; they are owed no more. A character is at most three bytes, so
   * what is owed and not yet told never fills the window.
   */
  take(): number {
    const events = this.#owedEvents;
    const isDue =
      events > 0 &&
      (this.#isPrompt ||
        events >= this.#windowEvents / REPORT_SHARE ||
        this.#owedChars >= CLIENT_WINDOW_BYTES / REPORT_SHARE);
    if (!isDue) return 0;
    this.#owedEvents = 0;
    this.#owedChars = 0;
    return events;
  }
}
