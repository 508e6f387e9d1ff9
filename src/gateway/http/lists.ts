import { assertMayAdminister, assertMayRead, readableTopics } from '../permissions.js';
import { type Exchange, headerOf, JSON_TYPE, NDJSON_TYPE, sendJson } from './exchange.js';
import type { RouteContext } from './http-context.js';
import { sendList } from './list-answer.js';
import { negotiate } from './media-types.js';

/** `GET /v1/topics`, `/v1/subscribers`, `/v1/stats`. */
const LISTS = [JSON_TYPE, NDJSON_TYPE] as const;

export async function listTopics(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, parameters, principal } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['pattern']);
  const pattern = parameters.one('pattern');
  // Who asks for all of them gets those that it may read; who asks for some must be allowed to.
  if (pattern !== undefined) assertMayRead(principal, pattern);
  const topics = readableTopics(principal, await context.endpoint.topics(pattern));
  await sendList(exchange, context, texts(topics), { type });
}

export async function listSubscribers(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, parameters, principal } = exchange;
  const type = negotiate(headerOf(request, 'accept'), LISTS);
  parameters.assertKnown(['topic']);
  const topic = parameters.one('topic');
  // Who listens, and who is behind, is for those who administer what is listened to.
  assertMayAdminister(principal, topic ?? '*');
  const subscribers = await context.endpoint.subscribers(topic);
  await sendList(exchange, context, texts(subscribers), { type });
}

export async function stats(exchange: Exchange, { endpoint }: RouteContext): Promise<void> {
  const { request, response, parameters, principal } = exchange;
  negotiate(headerOf(request, 'accept'), [JSON_TYPE]);
  parameters.assertKnown([]);
  assertMayAdminister(principal, '*');
  sendJson(response, 200, await endpoint.stats());
}

function* texts(items: readonly unknown[]): Generator<string> {
  for (const item of items) yield JSON.stringify(item);
}
