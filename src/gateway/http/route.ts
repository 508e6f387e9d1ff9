import type { ServerResponse } from 'node:http';
import type { Exchange } from './exchange.js';

/** One method of one path, as a door hands it in. Doors know nothing of each other's routes. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /**
   * Below the gateway's base path: `/v1/events/:id`. A segment that begins with `:` is a parameter and takes any text;
   * a literal segment of another route goes before it, whichever door came first.
   */
  readonly path: string;
  /** Answers the request. It may reject: the router answers with the error. HEAD comes here as GET. */
  readonly handle: (exchange: Exchange) => Promise<void>;
  /** Open to whoever reaches the server: the answer says nothing of the bus's contents. */
  readonly isPublic?: true;
  /** Answers an error in a form of the route's own; false leaves the answer to the router. */
  readonly refuse?: (response: ServerResponse, error: unknown) => boolean;
  /** The route's line on the start page; a route without one is not listed there. */
  readonly listing?: Listing;
}

export interface Listing {
  /** HTML. */
  readonly about: string;
  /** Parameters worth showing: `topic=*`. */
  readonly query?: string;
  /** Following the link shows something in a browser. */
  readonly isLink?: true;
}
