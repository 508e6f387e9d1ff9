import type { Event } from '../protocol/event.js';
import type { Authenticator, Principal } from './principal.js';

/**
 * No authentication: every client may do everything, and tokens are ignored. For servers that only their own machine
 * can reach.
 */

/** `*` matches no topic of the bus's own. */
const EVERY_TOPIC = ['*', '$sys.*'];

const EVERYBODY: Principal = Object.freeze({
  id: 'anonymous',
  name: 'anonymous',
  isAnonymous: true,
  isRevoked: false,
  rates: Object.freeze({}),
  redacts: false,
  readable: Object.freeze(['*']),
  access: Object.freeze({
    publish: ['*'],
    subscribe: EVERY_TOPIC,
    consume: ['*'],
    admin: EVERY_TOPIC,
  }),
  mayPublish: () => true,
  maySubscribe: () => true,
  beyondSubscribe: () => undefined,
  mayConsume: () => true,
  mayAdminister: () => true,
  redact: (event: Event) => event,
});

export function openAccess(): Authenticator {
  return {
    isRequired: false,
    authenticate: async () => EVERYBODY,
    onRevoked: () => {},
    close: () => {},
  };
}
