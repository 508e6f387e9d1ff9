/** What a subscription or a query asks for. Types only here and the parsing of a user's filter. */

/** Between fields `and`, within one field `or`. */
export interface Filter {
  /** Patterns; see docs/PROTOCOL.md for the wildcards. */
  topics: string[];
  types?: string[];
  /** An event type's category is its first word: `agent_log` is of `agent`. */
  categories?: string[];
  sources?: string[];
  correlationIds?: string[];
  attributes?: Record<string, string[]>;
}

/** Pattern, patterns or a whole filter. */
export type FilterInput = string | readonly string[] | Filter;
