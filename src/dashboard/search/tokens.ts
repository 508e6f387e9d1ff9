import { OPERATORS, type Operator, SearchFault } from './search.js';

/** The words and signs of a search. Pure. */
export type Token = { readonly at: number } & (
  | { readonly kind: 'open' }
  | { readonly kind: 'close' }
  | { readonly kind: 'operator'; readonly operator: Operator }
  | { readonly kind: 'quoted'; readonly text: string }
  /** As written; a path may hold quoted names. */
  | { readonly kind: 'word'; readonly text: string }
);

const SPACE = /\s/;

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    if (SPACE.test(text[at]!)) {
      at++;
      continue;
    }
    const { token, end } = tokenAt(text, at);
    tokens.push(token);
    at = end;
  }
  return tokens;
}

function tokenAt(text: string, at: number): { token: Token; end: number } {
  const sign = text[at];
  if (sign === '(') return { token: { kind: 'open', at }, end: at + 1 };
  if (sign === ')') return { token: { kind: 'close', at }, end: at + 1 };
  const operator = operatorAt(text, at);
  if (operator !== undefined) {
    return { token: { kind: 'operator', operator, at }, end: at + operator.length };
  }
  if (sign === '"') {
    const end = quoteEnd(text, at);
    return { token: { kind: 'quoted', text: unquoted(text.slice(at, end), at), at }, end };
  }
  const end = wordEnd(text, at);
  return { token: { kind: 'word', text: text.slice(at, end), at }, end };
}

function operatorAt(text: string, at: number): Operator | undefined {
  return OPERATORS.find((one) => text.startsWith(one, at));
}

/** A quote begins a name within a path where it follows a dot, and else ends the word. */
function wordEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const sign = text[at]!;
    if (sign === '"') {
      if (text[at - 1] !== '.') break;
      at = quoteEnd(text, at);
    } else if (SPACE.test(sign) || sign === '(' || sign === ')') break;
    else if (operatorAt(text, at) !== undefined) break;
    else at++;
  }
  return at;
}

/** The offset behind the quote that closes the one at `start`. */
export function quoteEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  throw new SearchFault('A quote is open here and is never closed.', start);
}

/** A text between quotes, with the escapes of JSON. */
export function unquoted(quoted: string, at: number): string {
  try {
    return JSON.parse(quoted.replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
  } catch {
    const message =
      'The text between these quotes is not written as in JSON; a \\ is written \\\\.';
    throw new SearchFault(message, at);
  }
}
