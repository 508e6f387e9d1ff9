/**
 * Finds values in a JSON text without making anything of them, in one pass. For texts that `JSON.parse` has taken: what is
 * malformed gives nonsense here, but an end. Runs anywhere.
 */
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/** A line break stands between tokens, as may what follows it up to the next. */
const LINE_BREAKS = /[\n\r\t][\n\r\t ]*/g;

export class JsonScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Shows the members of the object that comes next, in order, equal keys too. `visit` may read the value; one that it does not
   * read is passed over. Of anything but an object it shows nothing.
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

  /** The same for an array; elements count from 0. */
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

  /** The text of the value that comes next, on one line. */
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

  /** Passes over the value unless it was read, and over the comma behind it. */
  #endValue(start: number): void {
    if (this.#at === start) this.#pass();
    if (this.#isNext(COMMA)) this.#at++;
  }

  #isNext(code: number): boolean {
    this.#skipSpace();
    return this.#text.charCodeAt(this.#at) === code;
  }

  /** Whether something stands before the end of the object or array; the end is passed. */
  #isBefore(end: number): boolean {
    if (this.#at < this.#text.length && !this.#isNext(end)) return this.#at < this.#text.length;
    this.#at++;
    return false;
  }

  #skipSpace(): void {
    const text = this.#text;
    while (text.charCodeAt(this.#at) <= SPACE) this.#at++;
  }

  /** To the end of the value that comes next. */
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

/** The members of all objects in a text; of equal keys each counts. */
export function memberCount(json: string): number {
  let count = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(json, at);
    else if (code === COLON) count++;
  }
  return count;
}

/** Without line breaks and the indentation behind them: for what is sent in lines. */
export function onOneLine(json: string): string {
  return json.replaceAll(LINE_BREAKS, '');
}

function isEndOfScalar(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  // At the end of the text it is no number, and no comparison but the last holds.
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
