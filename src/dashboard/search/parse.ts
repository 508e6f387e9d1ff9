import { parsePath } from './path.js';
import { SEARCH_LENGTH_MAX, type Search, SearchFault, type Wanted } from './search.js';
import { type Token, tokensOf } from './tokens.js';

/**
 * Reads a search. Nothing but spaces is `undefined`: everything matches. Pure.
 * @throws SearchFault
 */
export function parseSearch(text: string): Search | undefined {
  if (text.length > SEARCH_LENGTH_MAX) {
    throw new SearchFault(
      `A search has at most ${SEARCH_LENGTH_MAX} characters.`,
      SEARCH_LENGTH_MAX,
    );
  }
  const parser = new Parser(tokensOf(text), text.length);
  return parser.isAtEnd ? undefined : parser.whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#next === this.#tokens.length;
  }

  whole(): Search {
    const search = this.#either();
    const left = this.#peek();
    if (left !== undefined) throw new SearchFault('This ) closes no (.', left.at);
    return search;
  }

  #either(): Search {
    const parts = [this.#both()];
    while (this.#takeWord('or')) parts.push(this.#both());
    return parts.length === 1 ? parts[0]! : { kind: 'or', parts };
  }

  #both(): Search {
    const parts = [this.#one()];
    while (this.#takeWord('and') || this.#isAtOne()) parts.push(this.#one());
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts };
  }

  #one(): Search {
    const token = this.#peek();
    if (token === undefined) throw new SearchFault('Something is missing at the end.', this.#end);
    if (this.#takeWord('not')) return { kind: 'not', inner: this.#one() };
    this.#next++;
    if (token.kind === 'open') return this.#group(token.at);
    if (token.kind === 'quoted') return this.#text(token.text, token.at);
    if (token.kind === 'word') return this.#word(token.text, token.at);
    const what = token.kind === 'close' ? 'A )' : `"${token.operator}"`;
    const message = `${what} stands here, where a text or a path should be; in quotes it is a text.`;
    throw new SearchFault(message, token.at);
  }

  #group(at: number): Search {
    const search = this.#either();
    if (this.#peek()?.kind !== 'close') throw new SearchFault('This ( is never closed.', at);
    this.#next++;
    return search;
  }

  #word(word: string, at: number): Search {
    if (['and', 'or', 'exists'].includes(word)) {
      const message = `"${word}" is a word of the language; in quotes it is a text.`;
      throw new SearchFault(message, at);
    }
    if (this.#takeWord('exists')) return { kind: 'exists', path: parsePath(word, at) };
    const token = this.#peek();
    if (token?.kind === 'operator') {
      const path = parsePath(word, at);
      this.#next++;
      return { kind: 'compare', path, operator: token.operator, value: this.#value(token) };
    }
    if (/^(?:payload|attributes)[.[]/.test(word)) {
      const message = `A path alone says nothing: write "${word} exists", or compare it: "${word} = 1".`;
      throw new SearchFault(message, at);
    }
    return this.#text(word, at);
  }

  #text(text: string, at: number): Search {
    if (this.#peek()?.kind === 'operator') {
      throw new SearchFault('A text in quotes is compared with nothing; write a path here.', at);
    }
    if (text === '') throw new SearchFault('This text is empty.', at);
    return { kind: 'text', text };
  }

  #value({ at }: Token): Wanted {
    const token = this.#peek();
    if (token?.kind === 'word' || token?.kind === 'quoted') {
      this.#next++;
      return { text: token.text, isQuoted: token.kind === 'quoted' };
    }
    throw new SearchFault('A value is missing behind this.', at);
  }

  #isAtOne(): boolean {
    const token = this.#peek();
    if (token === undefined || token.kind === 'close') return false;
    return !(token.kind === 'word' && token.text === 'or');
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #takeWord(text: string): boolean {
    const token = this.#peek();
    const isIt = token?.kind === 'word' && token.text === text;
    if (isIt) this.#next++;
    return isIt;
  }
}
