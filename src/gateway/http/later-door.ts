import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { DoorContext, OpenDoor } from '../door.js';
import type { GatewayLater } from '../later/gateway-later.js';
import { checkHead } from './check-head.js';
import { type Exchange, headerOf, JSON_TYPE, NDJSON_TYPE, sendJson } from './exchange.js';
import { objectBody } from './json-body.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/** What is published later, over HTTP: publishes that wait for their time, and schedules. */
export const openLaterDoor: OpenDoor = (context) => ({
  routes: [
    {
      method: 'GET',
      path: '/v1/scheduled',
      handle: (exchange) => scheduled(exchange, context.later),
      listing: { about: 'the publishes that wait for their time', isLink: true },
    },
    {
      method: 'DELETE',
      path: '/v1/scheduled/:id',
      handle: (exchange) => cancel(exchange, context.later),
      listing: { about: 'cancels one' },
    },
    {
      method: 'GET',
      path: '/v1/schedules',
      handle: (exchange) => list(exchange, context),
      listing: { about: 'the schedules, and when each is due', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/schedules/:name',
      handle: (exchange) => get(exchange, context.later),
      listing: { about: 'one schedule' },
    },
    {
      method: 'PUT',
      path: '/v1/schedules/:name',
      handle: (exchange) => set(exchange, context.later),
      listing: { about: 'sets a schedule' },
    },
    {
      method: 'DELETE',
      path: '/v1/schedules/:name',
      handle: (exchange) => remove(exchange, context.later),
      listing: { about: 'deletes a schedule' },
    },
    {
      method: 'GET',
      path: '/v1/schedules/:name/next',
      handle: (exchange) => next(exchange, context.later),
    },
    ...(['pause', 'resume'] as const).map((kind) => ({
      method: 'POST' as const,
      path: `/v1/schedules/:name/${kind}`,
      handle: (exchange: Exchange) => alter(exchange, kind, context.later),
    })),
  ],
});

async function scheduled(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange, ['topic', 'id', 'limit', 'after']);
  const { parameters, budget, response } = exchange;
  const topic = parameters.all('topic');
  const limit = parameters.count('limit');
  const id = parameters.one('id');
  const after = parameters.one('after');
  const query = {
    ...(topic === undefined ? {} : { topic }),
    ...(id === undefined ? {} : { id }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  };
  await budget.query(async (turns) => {
    const page = await later.scheduled(exchange, query, turns);
    sendJson(response, 200, page);
  });
}

async function cancel(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange, ['topic', 'source']);
  const { parameters, response, segments } = exchange;
  const topic = parameters.one('topic');
  const source = parameters.one('source');
  const cancelled = await later.cancel(exchange, segments.id!, {
    ...(topic === undefined ? {} : { topic }),
    ...(source === undefined ? {} : { source }),
  });
  sendJson(response, 200, { cancelled });
}

async function list(exchange: Exchange, context: DoorContext): Promise<void> {
  const { request, parameters, budget } = exchange;
  const type = negotiate(headerOf(request, 'accept'), [JSON_TYPE, NDJSON_TYPE] as const);
  parameters.assertKnown([]);
  await budget.query(async (turns) => {
    const pages = [await context.later.schedules(exchange, turns)];
    await sendList(exchange, context, { pages, textOf: JSON.stringify }, { type });
  });
}

async function get(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange);
  const { name } = exchange.segments;
  const found = await later.schedule(exchange, name!);
  if (found !== undefined) return sendJson(exchange.response, 200, found);
  const message = `there is no schedule ${quote(name)}`;
  throw new BusError('SCHEDULE_UNKNOWN', message, { details: { name: quote(name) } });
}

async function set(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange);
  const made = await objectBody(exchange, (body) =>
    later.set(exchange, exchange.segments.name!, body),
  );
  sendJson(exchange.response, 200, made);
}

async function remove(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange);
  const deleted = await later.delete(exchange, exchange.segments.name!);
  sendJson(exchange.response, 200, { deleted });
}

async function next(exchange: Exchange, later: GatewayLater): Promise<void> {
  checkHead(exchange, ['count']);
  const { parameters, response, segments } = exchange;
  sendJson(
    response,
    200,
    await later.nextTimes(exchange, segments.name!, parameters.count('count')),
  );
}

async function alter(
  exchange: Exchange,
  kind: 'pause' | 'resume',
  later: GatewayLater,
): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await later.alter(exchange, exchange.segments.name!, kind));
}
