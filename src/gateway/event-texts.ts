import type { Event } from '../protocol/event.js';
import { EVENT_TEXT_LENGTH_MAX, EVENT_TEXTS_MAX } from '../protocol/limits.js';

/**
 * Events as JSON, made once for all connections. An event that goes to many subscriptions reaches
 * them within a short time and as the same object, so a small table by sequence finds it again;
 * bounded in entries and in length.
 */
export class EventTexts {
  readonly #events: (Event | undefined)[] = new Array(EVENT_TEXTS_MAX).fill(undefined);
  readonly #texts: string[] = new Array(EVENT_TEXTS_MAX).fill('');
  /** Ephemeral events have no sequence; the last one is remembered. */
  #ephemeral: Event | undefined;
  #ephemeralText = '';

  /** The event's JSON text. */
  of(event: Event): string {
    const { sequence } = event;
    if (sequence === undefined) return this.#ofEphemeral(event);
    const slot = (sequence * 31 + event.shard) % EVENT_TEXTS_MAX;
    if (this.#events[slot] === event) return this.#texts[slot]!;
    const text = JSON.stringify(event);
    if (text.length <= EVENT_TEXT_LENGTH_MAX) {
      this.#events[slot] = event;
      this.#texts[slot] = text;
    }
    return text;
  }

  #ofEphemeral(event: Event): string {
    if (this.#ephemeral !== event) {
      this.#ephemeralText = JSON.stringify(event);
      this.#ephemeral = event;
    }
    return this.#ephemeralText;
  }
}
