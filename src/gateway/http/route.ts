import type { ServerResponse } from 'node:http';
import type { Exchange } from './exchange.js';

/** One method of one path, as a door declares it. Doors know nothing of each other's routes. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /**
   * The path below the gateway's base path: `/v1/events/:id`. A segment that begins with `:` is a parameter and matches
   * any text; a literal segment of another route takes precedence, in whatever order they were declared.
   */
  readonly path: string;
  /** Answers the request, GET and HEAD alike. The router answers with the error where it rejects. */
  readonly handle: (exchange: Exchange) => Promise<void>;
  /** Needs no authentication, because the answer holds nothing of the bus's contents. */
  readonly isPublic?: true;
  /** Answers an error in a form of the route's own; false leaves the answer to the router. */
  readonly refuse?: (response: ServerResponse, error: unknown) => boolean;
  /** The route's line on the start page; a route without one is not listed there. */
  readonly listing?: Listing;
}

export interface Listing {
  /** The description of the route, as HTML. */
  readonly about: string;
  /** Parameters that the page shows: `topic=*`. */
  readonly query?: string;
  /** The page links to the route, whose answer a browser can show. */
  readonly isLink?: true;
}
