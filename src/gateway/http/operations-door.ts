import type { OpenDoor } from '../door.js';
import type { Operations } from '../operations.js';
import { type Exchange, headerOf, JSON_TYPE, sendJson } from './exchange.js';
import { negotiate } from './media-types.js';

/** The calls of operators over HTTP. */
export const openOperationsDoor: OpenDoor = ({ operations }) => ({
  routes: [
    {
      method: 'GET',
      path: '/v1/access',
      handle: (exchange) => access(exchange, operations),
      listing: { about: 'what the client may do', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/figures',
      handle: (exchange) => figures(exchange, operations),
      listing: { about: 'the last 15 minutes in figures', isLink: true },
    },
  ],
});

async function figures(exchange: Exchange, operations: Operations): Promise<void> {
  const { request, response, parameters } = exchange;
  negotiate(headerOf(request, 'accept'), [JSON_TYPE]);
  parameters.assertKnown(['after']);
  sendJson(response, 200, operations.figures(exchange, parameters.count('after')));
}

async function access(exchange: Exchange, operations: Operations): Promise<void> {
  const { request, response, parameters } = exchange;
  negotiate(headerOf(request, 'accept'), [JSON_TYPE]);
  parameters.assertKnown([]);
  sendJson(response, 200, operations.access(exchange));
}
