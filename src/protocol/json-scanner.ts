/**
 * Finds values in a JSON text in one pass, without building them. For texts that `JSON.parse` has accepted: on a
 * malformed text the result is nonsense, but the scan ends. Any thread, and browsers.
 */
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/** Line breaks and tabs stand only between tokens in JSON, as does the whitespace that follows them. */
const LINE_BREAKS = /[\n\r\t][\n\r\t ]*/g;

export class JsonScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Visits the members of the next value, in order, repeated keys included. `visit` may read the member's value;
   * otherwise the value is skipped. If the next value is not an object, it is skipped.
   */
  members(visit: (key: string) => void): void {
    if (!this.#isNext(OPEN_BRACE)) {
      this.#pass();
      return;
    }
    this.#at++;
    while (this.#isBefore(CLOSE_BRACE)) {
      const start = this.#at;
      this.#pass();
      const key = this.#text.slice(start + 1, this.#at - 1);
      if (this.#isNext(COLON)) this.#at++;
      const valueStart = this.#beginValue();
      visit(key.includes('\\') ? String(JSON.parse(`"${key}"`)) : key);
      this.#endValue(valueStart);
    }
  }

  /** Visits the elements of the next value, from index 0, as `members` does. If it is not an array, it is skipped. */
  elements(visit: (index: number) => void): void {
    if (!this.#isNext(OPEN_BRACKET)) {
      this.#pass();
      return;
    }
    this.#at++;
    for (let index = 0; this.#isBefore(CLOSE_BRACKET); index++) {
      const start = this.#beginValue();
      visit(index);
      this.#endValue(start);
    }
  }

  /** The text of the next value, on one line. */
  value(): string {
    this.#skipSpace();
    const start = this.#at;
    this.#pass();
    return onOneLine(this.#text.slice(start, this.#at));
  }

  #beginValue(): number {
    this.#skipSpace();
    return this.#at;
  }

  /** Skips the value unless it was read, and the comma behind it. */
  #endValue(start: number): void {
    if (this.#at === start) this.#pass();
    if (this.#isNext(COMMA)) this.#at++;
  }

  #isNext(code: number): boolean {
    this.#skipSpace();
    return this.#text.charCodeAt(this.#at) === code;
  }

  /** Whether the object or array has another member or element; if not, skips its closing bracket. */
  #isBefore(end: number): boolean {
    if (this.#at < this.#text.length && !this.#isNext(end)) return this.#at < this.#text.length;
    this.#at++;
    return false;
  }

  #skipSpace(): void {
    const text = this.#text;
    while (text.charCodeAt(this.#at) <= SPACE) this.#at++;
  }

  /** Skips the next value. */
  #pass(): void {
    this.#skipSpace();
    const text = this.#text;
    let depth = 0;
    for (let at = this.#at; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = stringEnd(text, at);
        if (depth > 0) continue;
      } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        depth++;
        continue;
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        if (--depth > 0) continue;
      } else if (depth > 0 || !isEndOfScalar(text, at + 1)) continue;
      this.#at = at + 1;
      return;
    }
    this.#at = text.length;
  }
}

/** How many members all objects in a text have; each of several equal keys counts. */
export function memberCount(json: string): number {
  let count = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(json, at);
    else if (code === COLON) count++;
  }
  return count;
}

/** The text without line breaks and the indentation behind them, to be sent as one line. */
export function onOneLine(json: string): string {
  return json.replaceAll(LINE_BREAKS, '');
}

function isEndOfScalar(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  // At the end of the text `code` is NaN, and only the last comparison holds.
  return (
    code <= SPACE ||
    code === COMMA ||
    code === COLON ||
    code === CLOSE_BRACE ||
    code === CLOSE_BRACKET ||
    at >= text.length
  );
}

/** The offset of the quote that closes the string opened at `start`. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
