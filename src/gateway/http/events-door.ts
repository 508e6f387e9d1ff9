import type { OpenDoor } from '../door.js';
import { getEvent } from './get-event.js';
import type { HttpContext } from './http-context.js';
import { publish } from './publish.js';
import { queryEvents, queryLatest } from './query.js';

/** Events over plain requests: publishes them, reads history, finds one by its id. */
export const openEventsDoor: OpenDoor<HttpContext> = (context) => ({
  routes: [
    {
      method: 'POST',
      path: '/v1/events',
      handle: (exchange) => publish(exchange, context),
      listing: { about: 'publish: JSON, NDJSON, CloudEvents' },
    },
    {
      method: 'GET',
      path: '/v1/events',
      handle: (exchange) => queryEvents(exchange, context),
      listing: { about: 'query: JSON, NDJSON, CloudEvents', query: 'topic=*', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/latest',
      handle: (exchange) => queryLatest(exchange, context),
      listing: {
        about: 'the newest event of each topic: JSON, NDJSON, CloudEvents',
        query: 'topic=*',
        isLink: true,
      },
    },
    {
      method: 'GET',
      path: '/v1/events/:id',
      handle: (exchange) => getEvent(exchange, context),
      listing: { about: 'one event: JSON, CloudEvents' },
    },
  ],
});
