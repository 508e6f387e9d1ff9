import type { Principal } from '../auth/principal.js';
import type { Event } from '../protocol/event.js';
import {
  EVENT_TEXT_LENGTH_MAX,
  EVENT_TEXTS_MAX,
  REDACTED_TEXTS_MAX,
} from '../protocol/limits/gateway.js';
import { eventText } from '../protocol/payload-text.js';

/**
 * Events as JSON, made once for all connections that may see the same fields of them. An event that goes to many
 * subscriptions reaches them within a short time, so a small table by sequence suffices; its entries and their lengths
 * are bounded. Subscriptions that are live get the same event object; each that is behind reads its own from the log,
 * and shares the text all the same.
 */

/** One event's JSON. Frames are shared by the identity of these objects. */
export interface EventText {
  readonly event: Event;
  readonly text: string;
  /** The length of `text` in UTF-8. */
  readonly bytes: number;
}

export class EventTexts {
  readonly #redact: (event: Event) => Event;
  readonly #texts: (EventText | undefined)[];
  /** The last ephemeral event; such events have no sequence to find them by. */
  #ephemeral: EventText | undefined;

  /** `entries`: the number of texts that are kept. `redact` masks the fields that may not be seen. */
  constructor(entries: number, redact: (event: Event) => Event = (event) => event) {
    this.#redact = redact;
    this.#texts = new Array(entries).fill(undefined);
  }

  of(event: Event): EventText {
    const { sequence } = event;
    if (sequence === undefined) return this.#ofEphemeral(event);
    const slot = (sequence * 31 + event.shard) % this.#texts.length;
    const known = this.#texts[slot];
    if (known !== undefined && isSame(known.event, event)) return known;
    const made = this.#make(event);
    if (made.text.length <= EVENT_TEXT_LENGTH_MAX) this.#texts[slot] = made;
    return made;
  }

  #ofEphemeral(event: Event): EventText {
    if (this.#ephemeral?.event !== event) this.#ephemeral = this.#make(event);
    return this.#ephemeral;
  }

  #make(event: Event): EventText {
    const text = eventText(this.#redact(event));
    return { event, text, bytes: Buffer.byteLength(text) };
  }
}

/** Within an epoch no two events have the same sequence, and an event never changes. */
function isSame(a: Event, b: Event): boolean {
  return a === b || (a.sequence === b.sequence && a.shard === b.shard && a.id === b.id);
}

/** The texts that each principal may see. Principals from whom nothing is masked share one table. */
export class TextsByPrincipal {
  readonly #whole = new EventTexts(EVENT_TEXTS_MAX);
  readonly #redacted = new WeakMap<Principal, EventTexts>();

  of(principal: Principal): EventTexts {
    if (!principal.redacts) return this.#whole;
    const known = this.#redacted.get(principal);
    if (known !== undefined) return known;
    const texts = new EventTexts(REDACTED_TEXTS_MAX, (event) => principal.redact(event));
    this.#redacted.set(principal, texts);
    return texts;
  }
}
