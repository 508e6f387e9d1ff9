import { CLIENT_WINDOW_BYTES } from '../protocol/limits/client.js';

/**
 * Counts the events of a subscription's window that were consumed and not yet reported to the server, in events and in
 * characters. Each connection opens a new window, which does not count events that came over an earlier one.
 */

/**
 * A report is due when 1 / `REPORT_SHARE` of the window is unreported; see `take` for why that is well below a third.
 */
const REPORT_SHARE = 8;

export class WindowReport {
  readonly #windowEvents: number;
  readonly #isPrompt: boolean;
  /** How many of the events held here came over an earlier connection. */
  #foreign = 0;
  #owedEvents = 0;
  #owedChars = 0;

  /** @param isPrompt report every consumed event at once, as the lengths of events are not known */
  constructor(windowEvents: number, isPrompt: boolean) {
    this.#windowEvents = windowEvents;
    this.#isPrompt = isPrompt;
  }

  /** A new window opens, on top of the events held already. */
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
   * Takes the number of events to report to the server now, or 0 if the report can wait. A character is at most three
   * bytes, so unreported events never fill the window in bytes.
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
