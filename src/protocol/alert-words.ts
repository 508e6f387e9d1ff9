import { BusError } from './errors.js';
import { quote } from './quote.js';

/** The words of the texts of conditions: how they are read one by one, and how they are written. */

const UNITS: readonly (readonly [name: string, ms: number, spellings: readonly string[]])[] = [
  ['d', 86_400_000, ['d', 'day', 'days']],
  ['h', 3_600_000, ['h', 'hour', 'hours']],
  ['min', 60_000, ['min', 'm', 'minute', 'minutes']],
  ['s', 1000, ['s', 'sec', 'second', 'seconds']],
  ['ms', 1, ['ms', 'millisecond', 'milliseconds']],
];

/** `5 min`, in the largest unit of which it is a whole number. */
export function timeText(ms: number): string {
  const [name, unit] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1];
  return `${ms / unit} ${name}`;
}

/** Words that would be taken for a part of the sentence stand in quotes as well. */
const OF_THE_SENTENCE = new Set([
  'event',
  'of',
  'on',
  'from',
  'correlated',
  'where',
  'and',
  'within',
  'over',
  'for',
]);
const PLAIN = /^[^\s,="]+$/;

export function word(text: string): string {
  return PLAIN.test(text) && !OF_THE_SENTENCE.has(text) ? text : JSON.stringify(text);
}

export function list(words: readonly string[]): string {
  return words.map(word).join(', ');
}

interface Token {
  readonly text: string;
  readonly at: number;
  readonly kind: 'word' | 'quoted' | 'mark';
}

/** Quoted words, the marks `,` and `=`, and plain words. */
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([,=])|([^\s,="]+)|(\S))/gy;

/** Reads a text word by word. */
export class Words {
  /** The form of this kind of condition, for messages. */
  form: string | undefined;
  readonly #tokens: Token[] = [];
  readonly #length: number;
  #next = 0;

  constructor(text: string) {
    this.#length = text.length;
    for (const match of text.matchAll(TOKEN)) {
      const [all, quoted, mark, plain, rest] = match;
      const at = match.index + all.length - all.trimStart().length;
      if (rest !== undefined) throw this.fault(`the quotes at ${rest} do not end`, at);
      if (quoted !== undefined)
        this.#tokens.push({ text: this.#unquoted(quoted, at), at, kind: 'quoted' });
      else if (mark !== undefined) this.#tokens.push({ text: mark, at, kind: 'mark' });
      else this.#tokens.push({ text: plain!, at, kind: 'word' });
    }
  }

  word(what: string): string {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw this.fault(`${what} is missing`);
    if (token.kind === 'mark') throw this.fault(`${what} is missing before ${quote(token.text)}`);
    this.#next++;
    return token.text;
  }

  list(what: string): string[] {
    const words = [this.word(what)];
    while (this.#takeMark(',')) words.push(this.word(what));
    return words;
  }

  attributes(): Record<string, string[]> {
    const attributes = new Map<string, string[]>();
    do {
      const key = this.word('the name of an attribute');
      if (attributes.has(key)) throw this.#before(`attribute ${quote(key)} is named twice`);
      if (!this.#takeMark('=')) throw this.fault(`"=" is missing after ${quote(key)}`);
      attributes.set(key, this.list('a value'));
    } while (this.take('and'));
    return Object.fromEntries(attributes);
  }

  /** Takes the word if it comes next. */
  take(word: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' || token.text !== word) return false;
    this.#next++;
    return true;
  }

  expect(word: string): void {
    if (this.take(word)) return;
    const token = this.#tokens[this.#next];
    const place = token === undefined ? 'at the end' : `before ${quote(token.text)}`;
    throw this.fault(`"${word}" is missing ${place}`);
  }

  count(): number {
    const text = this.word('a number of events');
    if (/^\d+$/.test(text)) return Number(text);
    throw this.#before(`${quote(text)} is not a number of events`);
  }

  rate(): number {
    const text = this.word('a number of events a second');
    const digits = text.replace(/\/s$/, '');
    if (NUMBER.test(digits)) return Number(digits);
    throw this.#before(`${quote(text)} is not a number of events a second, such as 100/s`);
  }

  /** `5 min`, `5min`, `90 s` */
  time(): number {
    const text = this.word('a time, such as "5 min",');
    const [, digits, attached] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text) ?? [];
    if (digits === undefined) throw this.#before(`${quote(text)} is not a time, such as "5 min"`);
    const unit =
      attached === '' ? this.word('the unit of the time (ms, s, min, h or d)') : attached;
    const size = UNITS.find(([, , spellings]) => spellings.includes(unit!))?.[1];
    if (size === undefined) {
      throw this.#before(`${quote(unit)} is no unit of time; there are ms, s, min, h and d`);
    }
    return Math.round(Number(digits) * size);
  }

  end(): void {
    const token = this.#tokens[this.#next];
    if (token === undefined) return;
    throw this.fault(`${quote(token.text)} is too much`);
  }

  /** The fault of the next word, unless another offset is given. */
  fault(message: string, at = this.#tokens[this.#next]?.at ?? this.#length): BusError {
    const form = this.form === undefined ? '' : `; the form is "${this.form}"`;
    return new BusError('ALERT_INVALID', `when: ${message}${form}`, {
      details: { path: 'when', at },
    });
  }

  #before(message: string): BusError {
    return this.fault(message, this.#tokens[this.#next - 1]!.at);
  }

  #takeMark(mark: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    this.#next++;
    return true;
  }

  #unquoted(quoted: string, at: number): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw this.fault(`${quote(quoted)} is no text in JSON quotes`, at);
    }
  }
}

const NUMBER = /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/;
