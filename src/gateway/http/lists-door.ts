import type { OpenDoor } from '../door.js';
import { assertMayAdminister, visibleSubscribers } from '../permissions.js';
import { topicPages } from '../topic-list.js';
import { checkHead } from './check-head.js';
import { type Exchange, headerOf, JSON_TYPE, NDJSON_TYPE, sendJson } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/** The lists of the bus: its topics, its subscribers, its statistics. */
export const openListsDoor: OpenDoor<HttpContext> = (context) => ({
  routes: [
    {
      method: 'GET',
      path: '/v1/topics',
      handle: (exchange) => listTopics(exchange, context),
      listing: { about: 'topics, and how many events each has', isLink: true },
    },
    {
      method: 'GET',
      path: '/v1/subscribers',
      handle: (exchange) => listSubscribers(exchange, context),
      listing: { about: 'who would receive an event on a topic', query: 'topic=…' },
    },
    {
      method: 'GET',
      path: '/v1/stats',
      handle: (exchange) => stats(exchange, context),
      listing: { about: 'figures of the bus and its shards', isLink: true },
    },
  ],
});

const LISTS = [JSON_TYPE, NDJSON_TYPE] as const;

async function listTopics(exchange: Exchange, context: HttpContext): Promise<void> {
  const { request, parameters, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['pattern']);
  const pattern = parameters.one('pattern');
  rates.query();
  await budget.query(async (asker) => {
    const pages = topicPages(context.endpoint, principal, pattern, asker);
    await sendList(exchange, context, { pages, textOf: JSON.stringify }, { type });
  });
}

async function listSubscribers(exchange: Exchange, context: HttpContext): Promise<void> {
  const { request, parameters, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['topic']);
  const topic = parameters.one('topic');
  // The names and lags of subscribers are for administrators of the topic only.
  assertMayAdminister(principal, topic ?? '*');
  rates.query();
  await budget.query(async () => {
    const subscribers = visibleSubscribers(principal, await context.endpoint.subscribers(topic));
    const pages = [subscribers];
    await sendList(exchange, context, { pages, textOf: JSON.stringify }, { type });
  });
}

async function stats(exchange: Exchange, { endpoint }: HttpContext): Promise<void> {
  const { response, principal } = exchange;
  checkHead(exchange);
  assertMayAdminister(principal, '*');
  exchange.rates.query();
  sendJson(response, 200, await endpoint.stats());
}
