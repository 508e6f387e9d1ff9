import { ALERT_RATE_SAMPLES } from '../protocol/limits/alerts.js';

/**
 * The mean rate of events over a sliding time, from a count that only grows. Keeps a bounded number of samples, so the
 * window moves on in steps of its 60th part. Pure.
 */
export class RateWindow {
  readonly #overMs: number;
  readonly #samples: { readonly at: number; readonly events: number }[];

  /** The count was `events` at `at`. */
  constructor(overMs: number, at: number, events: number) {
    this.#overMs = overMs;
    this.#samples = [{ at, events }];
  }

  /**
   * Takes the count of now and returns the mean, events a second. Until the window is full, the events that have come
   * so far are taken for all of it: the rate is at least that.
   */
  rate(now: number, events: number): { readonly perSecond: number; readonly isWhole: boolean } {
    const samples = this.#samples;
    // The first sample is the last one that is as old as the window.
    while (samples.length > 1 && samples[1]!.at <= now - this.#overMs) samples.shift();
    const first = samples[0]!;
    const ageMs = now - first.at;
    const perSecond = ((events - first.events) * 1000) / Math.max(ageMs, this.#overMs);
    const stepMs = this.#overMs / ALERT_RATE_SAMPLES;
    if (now - samples[samples.length - 1]!.at >= stepMs) samples.push({ at: now, events });
    return { perSecond, isWhole: ageMs >= this.#overMs };
  }
}
