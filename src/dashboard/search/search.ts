/**
 * What somebody looks for in events. Pure; docs/DASHBOARD.md describes the language.
 *
 * ```
 *   either    = both { "or" both }
 *   both      = one { [ "and" ] one }
 *   one       = "not" one | "(" either ")" | path operator value | path "exists" | text
 *   operator  = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~"
 *   path      = field { "." name | "." "\"…\"" | "[" number "]" | "[*]" }
 * ```
 */
export type Search =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'exists'; readonly path: Path }
  | Comparison
  | { readonly kind: 'not'; readonly inner: Search }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Search[] };

export interface Comparison {
  readonly kind: 'compare';
  readonly path: Path;
  readonly operator: Operator;
  readonly value: Wanted;
}

export const OPERATORS = ['!=', '>=', '<=', '=', '>', '<', '~'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Path {
  readonly field: Field;
  readonly steps: readonly Step[];
}

/** The name of a member, the index of an element, or every element. */
export type Step = string | number | typeof EACH;
export const EACH: unique symbol = Symbol('each');

export const FIELDS = [
  'payload',
  'attributes',
  'topic',
  'type',
  'source',
  'id',
  'correlationId',
  'causationId',
  'timestamp',
  'shard',
  'sequence',
] as const;
export type Field = (typeof FIELDS)[number];

/** The value of a comparison. Without quotes it may be a number, `true`, `false` or `null` as well as a text. */
export interface Wanted {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Why a text is no search, and at which character. */
export class SearchFault extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** Characters of a search. */
export const SEARCH_LENGTH_MAX = 2000;
