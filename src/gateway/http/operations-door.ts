import type { OpenDoor } from '../door.js';
import type { Operations } from '../operations.js';
import { checkHead } from './check-head.js';
import { type Exchange, sendJson } from './exchange.js';

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
      path: '/v1/definitions',
      handle: (exchange) => definitions(exchange, operations),
      listing: { about: 'the topics whose payloads have a schema', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/figures',
      handle: (exchange) => figures(exchange, operations),
      listing: { about: 'the last 15 minutes in figures', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/connections',
      handle: (exchange) => connections(exchange, operations),
      listing: { about: 'who is connected', isLink: true },
    },
    {
      method: 'DELETE',
      path: '/v1/connections/:id',
      handle: (exchange) => disconnect(exchange, operations),
      listing: { about: 'cut a connection' },
    },
  ],
});

async function figures(exchange: Exchange, operations: Operations): Promise<void> {
  const { response, parameters } = exchange;
  checkHead(exchange, ['after']);
  sendJson(response, 200, operations.figures(exchange, parameters.count('after')));
}

async function definitions(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await operations.definitions(exchange));
}

async function connections(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await operations.connections(exchange));
}

async function disconnect(exchange: Exchange, operations: Operations): Promise<void> {
  const { response, parameters, segments } = exchange;
  parameters.assertKnown([]);
  await operations.disconnect(exchange, segments.id!);
  sendJson(response, 200, { disconnected: true });
}

async function access(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, operations.access(exchange));
}
