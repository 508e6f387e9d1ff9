import { NAMES_REMEMBERED_MAX } from './limits/shards.js';

/** The names of subscriptions that a pattern matches, as the rules of alerts have them. */

/** In the pattern `*` stands for any text. Linear: the parts between are looked for one after the other. */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const [first, ...others] = pattern.split('*') as [string, ...string[]];
  const last = others.pop();
  return (name) => {
    if (last === undefined) return name === first;
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const part of others) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return name.length - last.length >= at && name.endsWith(last);
  };
}

/** Several patterns, and by name whether any of them matches, as the same names are asked for again and again. */
export class NamePatterns {
  readonly patterns: readonly string[];
  readonly #matchers: readonly ((name: string) => boolean)[];
  readonly #known = new Map<string, boolean>();

  constructor(patterns: readonly string[]) {
    this.patterns = patterns;
    this.#matchers = patterns.map(nameMatcher);
  }

  matches(name: string): boolean {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const isMatched = this.#matchers.some((matches) => matches(name));
    if (this.#known.size >= NAMES_REMEMBERED_MAX) this.#known.clear();
    this.#known.set(name, isMatched);
    return isMatched;
  }

  /** Whether these are the same patterns. */
  isOf(patterns: readonly string[]): boolean {
    const { length } = this.patterns;
    return patterns.length === length && patterns.every((one, at) => one === this.patterns[at]);
  }
}
