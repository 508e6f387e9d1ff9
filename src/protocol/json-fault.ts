import { quote } from './quote.js';

/**
 * Finds the place where a text stops being JSON, for error messages. The engine's own message has the position only on
 * some versions and for some faults, and quotes the surrounding text on others. Runs only on texts that could not be
 * parsed.
 */
export interface JsonFault {
  /** From 1, as in editors; columns count UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** Describes the fault. It quotes no text but the character at that place. */
  readonly message: string;
}

/** `line 2, column 7: "}" where a value is expected` */
export function jsonFaultText(text: string): string {
  const fault = findJsonFault(text);
  if (fault === undefined) return 'it cannot be parsed';
  return `line ${fault.line}, column ${fault.column}: ${fault.message}`;
}

/**
 * Finds where a text stops being JSON.
 *
 * @param text the text that could not be parsed
 * @returns its first fault, or `undefined` if it is JSON
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const scanner = new Scanner(text);
  if (scanner.scan()) return undefined;
  const before = text.slice(0, scanner.at).split('\n');
  const column = before[before.length - 1]!.length + 1;
  return { line: before.length, column, message: scanner.message };
}

type Expected =
  | 'a value'
  | 'a value or ]'
  | 'a key in double quotes'
  | 'a key in double quotes or }'
  | ':'
  | ', or ]'
  | ', or }'
  | 'the end';

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

class Scanner {
  at = 0;
  message = '';
  readonly #text: string;
  /** For each open bracket, the bracket that closes it. */
  readonly #open: ('}' | ']')[] = [];
  #expected: Expected = 'a value';

  constructor(text: string) {
    this.#text = text;
  }

  /** @returns whether the text is JSON; if not, `at` and `message` describe the fault. */
  scan(): boolean {
    for (;;) {
      this.at += this.#length(SPACE);
      if (this.at === this.#text.length) {
        return this.#expected === 'the end' || this.#fail('the text ends');
      }
      if (!this.#step(this.#text[this.at]!)) return false;
    }
  }

  #step(character: string): boolean {
    const expected = this.#expected;
    if (expected.startsWith('a key')) {
      if (character === '"') return this.#string() && this.#expect(':');
    } else if (expected.startsWith('a value')) {
      if (character === '{') return this.#enter('}', 'a key in double quotes or }');
      if (character === '[') return this.#enter(']', 'a value or ]');
      if (character === '"') return this.#string() && this.#endValue();
      const length = this.#length(SCALAR);
      this.at += length;
      if (length > 0) return this.#endValue();
    } else if (expected === ':') {
      if (character === ':') return this.#take() && this.#expect('a value');
    } else if (character === ',' && expected !== 'the end') {
      const isObject = this.#open.at(-1) === '}';
      return this.#take() && this.#expect(isObject ? 'a key in double quotes' : 'a value');
    }
    const closes = character === this.#open.at(-1) && expected.endsWith(character);
    return closes ? this.#leave() : this.#fail(quote(character));
  }

  #enter(close: '}' | ']', expected: Expected): boolean {
    this.#open.push(close);
    return this.#take() && this.#expect(expected);
  }

  #leave(): boolean {
    this.#open.pop();
    return this.#take() && this.#endValue();
  }

  #endValue(): boolean {
    const close = this.#open.at(-1);
    return this.#expect(close === undefined ? 'the end' : `, or ${close}`);
  }

  #string(): boolean {
    this.#take();
    for (; this.at < this.#text.length; this.at++) {
      const character = this.#text[this.at]!;
      if (character === '"') return this.#take();
      if (character < ' ') return this.#say(`the character ${quote(character)} in a string`);
      if (character !== '\\') continue;
      const length = this.#length(ESCAPE);
      if (length === 0) return this.#say('a \\ in a string that begins no escape');
      this.at += length - 1;
    }
    return this.#say('the text ends within a string');
  }

  #take(): boolean {
    this.at++;
    return true;
  }

  #expect(expected: Expected): boolean {
    this.#expected = expected;
    return true;
  }

  #fail(found: string): boolean {
    return this.#say(`${found} where ${this.#expected} is expected`);
  }

  #say(message: string): boolean {
    this.message = message;
    return false;
  }

  #length(token: RegExp): number {
    token.lastIndex = this.at;
    return token.exec(this.#text)?.[0].length ?? 0;
  }
}
