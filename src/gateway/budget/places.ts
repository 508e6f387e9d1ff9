import { BusError } from '../../protocol/errors.js';
import { CONSUMER_MEMBERS_PER_PRINCIPAL_MAX } from '../../protocol/limits/consumers.js';
import {
  REQUESTS_LENGTH_PER_PRINCIPAL_MAX,
  REQUESTS_PER_PRINCIPAL_MAX,
  RESPONDERS_PER_PRINCIPAL_MAX,
} from '../../protocol/limits/requests.js';

/**
 * What one principal has, over all its connections to a gateway, of the things of which a bus has only so many. Without
 * a bound of its own it could take all of them, and nobody else could ask, answer or work. One thread.
 */
const MOST = {
  requests: [REQUESTS_PER_PRINCIPAL_MAX, 'requests that wait'],
  requestLength: [
    REQUESTS_LENGTH_PER_PRINCIPAL_MAX,
    'characters of payloads in requests that wait',
  ],
  responders: [RESPONDERS_PER_PRINCIPAL_MAX, 'responders'],
  members: [CONSUMER_MEMBERS_PER_PRINCIPAL_MAX, 'members of consumers'],
} as const;

export type PlaceKind = keyof typeof MOST;

export class Places {
  readonly #taken: Record<PlaceKind, number> = {
    requests: 0,
    requestLength: 0,
    responders: 0,
    members: 0,
  };

  /**
   * Takes `count` places; the returned function gives them back, once.
   *
   * @throws BusError `LIMIT_EXCEEDED`
   */
  take(kind: PlaceKind, count = 1): () => void {
    const [limit, what] = MOST[kind];
    if (this.#taken[kind] + count > limit) {
      const message = `this principal has ${this.#taken[kind]} ${what}; ${limit} is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit, limitOf: 'principal' } });
    }
    this.#taken[kind] += count;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken[kind] -= count;
      isTaken = false;
    };
  }
}
