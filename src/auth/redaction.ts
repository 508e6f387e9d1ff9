import type { Event } from '../protocol/event.js';
import { REDACTION_TOPICS_CACHED_MAX } from '../protocol/limits/auth.js';
import { PatternSet } from '../protocol/pattern-set.js';
import { saysMoreAsText } from '../protocol/payload-text.js';
import { Masker } from './masker.js';
import { parseRedactionPath, type RedactionPath } from './redaction-path.js';

/**
 * Masks the parts of payloads that a principal may not see. The masks of all grants that match a topic apply together,
 * so a further grant can show more topics, but never more of a topic. One thread.
 */

export interface RedactionRule {
  readonly pattern: string;
  readonly redact?: readonly string[];
}

interface Rule {
  readonly pattern: PatternSet;
  readonly paths: readonly RedactionPath[];
}

export class Redaction {
  readonly #everywhere: readonly RedactionPath[];
  readonly #rules: readonly Rule[];
  readonly #readable: PatternSet;
  /** The masker of each topic; the topic used last is the last. */
  readonly #byTopic = new Map<string, Masker>();

  /**
   * @param rules the patterns that may be read, with or without masks
   * @param everywhere paths that are masked in every topic
   */
  constructor(rules: readonly RedactionRule[], everywhere: readonly string[] = []) {
    this.#everywhere = everywhere.map(parseRedactionPath);
    this.#rules = rules.map(({ pattern, redact = [] }) => ({
      pattern: new PatternSet([pattern]),
      paths: redact.map(parseRedactionPath),
    }));
    this.#readable = new PatternSet(rules.map(({ pattern }) => pattern));
  }

  get masksAnything(): boolean {
    return this.#everywhere.length > 0 || this.#rules.some(({ paths }) => paths.length > 0);
  }

  apply(event: Event): Event {
    const masker = this.#maskerOf(event.topic);
    if (masker.masksNothing) return event;
    const payload = masker.mask(event.payload);
    // The JSON text that an event was received as may say more than its parsed payload, such as a repeated name, and is
    // not masked. A copy does not have it.
    return payload === event.payload && !saysMoreAsText(event) ? event : { ...event, payload };
  }

  #maskerOf(topic: string): Masker {
    const known = this.#byTopic.get(topic);
    if (known !== undefined) this.#byTopic.delete(topic);
    else if (this.#byTopic.size >= REDACTION_TOPICS_CACHED_MAX) {
      for (const [oldest] of this.#byTopic) {
        this.#byTopic.delete(oldest);
        break;
      }
    }
    const masker = known ?? new Masker(this.#pathsOf(topic));
    this.#byTopic.set(topic, masker);
    return masker;
  }

  #pathsOf(topic: string): readonly RedactionPath[] {
    // Events that may not be read should not get here; if one does, its whole payload is masked.
    if (!this.#readable.covers(topic)) return [WHOLE];
    const matching = this.#rules.filter(({ pattern }) => pattern.covers(topic));
    const paths = [...this.#everywhere, ...matching.flatMap((rule) => rule.paths)];
    return [...new Map(paths.map((path) => [path.text, path])).values()];
  }
}

const WHOLE: RedactionPath = parseRedactionPath('$');
