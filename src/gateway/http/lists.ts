import { assertMayAdminister } from '../permissions.js';
import { topicList } from '../topic-list.js';
import { type Exchange, headerOf, JSON_TYPE, NDJSON_TYPE, sendJson } from './exchange.js';
import type { RouteContext } from './http-context.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/** `GET /v1/topics`, `/v1/subscribers`, `/v1/stats`. */
const LISTS = [JSON_TYPE, NDJSON_TYPE] as const;

export async function listTopics(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, parameters, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['pattern']);
  const pattern = parameters.one('pattern');
  rates.query();
  await budget.query(async (asker) => {
    const topics = topicList(context.endpoint, principal, pattern, asker);
    await sendList(exchange, context, texts(topics), { type });
  });
}

export async function listSubscribers(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, parameters, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['topic']);
  const topic = parameters.one('topic');
  // Who listens, and who is behind, is for those who administer what is listened to.
  assertMayAdminister(principal, topic ?? '*');
  rates.query();
  await budget.query(async () => {
    const subscribers = await context.endpoint.subscribers(topic);
    await sendList(exchange, context, texts(subscribers), { type });
  });
}

export async function stats(exchange: Exchange, { endpoint }: RouteContext): Promise<void> {
  const { request, response, parameters, principal } = exchange;
  negotiate(headerOf(request, 'accept'), [JSON_TYPE]);
  parameters.assertKnown([]);
  assertMayAdminister(principal, '*');
  exchange.rates.query();
  sendJson(response, 200, await endpoint.stats());
}

async function* texts(items: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<string> {
  for await (const item of items) yield JSON.stringify(item);
}
