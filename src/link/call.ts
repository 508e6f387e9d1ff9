import type { Shape } from './shapes.js';

/** What a table of calls says of each: who serves it, and the shapes of its request and its answer. */

/**
 * `history` is a thread that reads; or the shard, where no other thread can read its log. `gateway` is an endpoint that
 * has gateways or responders, which main calls.
 */
export type Server = 'shard' | 'history' | 'main' | 'gateway';

export interface Call<S extends Server, Request, Answer> {
  readonly servedBy: S;
  readonly request: Shape<Request>;
  readonly answer: Shape<Answer>;
  /**
   * The call may not take effect twice: a shard's successor is not asked again, and the caller is told
   * `SHARD_RESTARTED`.
   */
  readonly isOnce: boolean;
}

/** @param isOnce see `Call` */
export function by<S extends Server, Request, Answer>(
  servedBy: S,
  request: Shape<Request>,
  answer: Shape<Answer>,
  isOnce = false,
): Call<S, Request, Answer> {
  return { servedBy, request, answer, isOnce };
}
