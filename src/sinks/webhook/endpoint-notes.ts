import { WEBHOOK_ENDPOINTS_NOTED_MAX } from '../../protocol/limits/webhook.js';

/**
 * What endpoints have asked for: not to be called for a while (`Retry-After`), or never again (410). Bounded: beyond, the
 * oldest note is forgotten, and its endpoint is called once more. One sink has it; single-threaded.
 */
export class EndpointNotes {
  readonly #until = new Map<string, number>();
  readonly #most: number;

  constructor(most = WEBHOOK_ENDPOINTS_NOTED_MAX) {
    this.#most = most;
  }

  isGone(url: URL): boolean {
    return this.#until.get(url.href) === Number.POSITIVE_INFINITY;
  }

  /** How long the endpoint wants to be left alone, ms; 0: not at all, `Infinity`: for good. */
  pauseMs(url: URL, now: number): number {
    const until = this.#until.get(url.href);
    if (until === undefined) return 0;
    if (until > now) return until - now;
    this.#until.delete(url.href);
    return 0;
  }

  pause(url: URL, until: number): void {
    if (this.isGone(url)) return;
    this.#note(url.href, Math.max(until, this.#until.get(url.href) ?? 0));
  }

  gone(url: URL): void {
    this.#note(url.href, Number.POSITIVE_INFINITY);
  }

  /** The endpoints that are gone. */
  goneUrls(): string[] {
    return [...this.#until]
      .filter(([, until]) => until === Number.POSITIVE_INFINITY)
      .map(([url]) => url);
  }

  #note(url: string, until: number): void {
    this.#until.delete(url);
    this.#until.set(url, until);
    if (this.#until.size <= this.#most) return;
    const [oldest] = this.#until.keys();
    if (oldest !== undefined) this.#until.delete(oldest);
  }
}
