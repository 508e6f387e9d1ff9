import { BusError } from '../../protocol/errors.js';
import type { OpenDoor } from '../door.js';
import { askPermitted, placesOfRequest } from '../questions.js';
import { Refusal } from '../refusal.js';
import { parseEvents, withBody } from './body.js';
import { checkHead } from './check-head.js';
import { eventOf } from './event-bodies.js';
import { type Exchange, headerOf, JSON_TYPE, sendText } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { isJsonType, parseMediaType } from './media-types.js';

/** `POST /v1/request`: asks a question, and is answered with the answer. */
export const openRequestDoor: OpenDoor<HttpContext> = (context) => ({
  routes: [
    {
      method: 'POST',
      path: '/v1/request',
      handle: (exchange) => ask(exchange, context),
      listing: { about: 'asks a question on a topic, and waits for its answer' },
    },
  ],
});

async function ask(exchange: Exchange, { endpoint, texts, closing }: HttpContext): Promise<void> {
  const { request, response, parameters, principal, rates, budget } = exchange;
  checkHead(exchange, ['timeoutMs']);
  const timeoutMs = timeoutOf(parameters.one('timeoutMs'));
  const { name: type } = parseMediaType(headerOf(request, 'content-type'));
  if (!isJsonType(type)) {
    const message = `a question is ${JSON_TYPE}`;
    throw new Refusal(415, 'MESSAGE_INVALID', message, { path: 'content-type' });
  }
  const event = await withBody(exchange, async (body) =>
    eventOf(parseEvents(body, 'the body'), ''),
  );
  rates.publish(1);
  const leave = placesOfRequest(budget.places, event);
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  response.on('close', onClose);
  try {
    const signal = AbortSignal.any([gone.signal, closing]);
    const options = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const answer = await askPermitted(endpoint, principal, event, options);
    sendText(response, 200, JSON_TYPE, texts.of(principal).of(answer).text);
  } finally {
    leave();
    response.off('close', onClose);
  }
}

/** The bus checks the bounds. */
function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const message = 'timeoutMs has to be a whole number of milliseconds';
  throw new BusError('QUERY_INVALID', message, { details: { path: 'timeoutMs' } });
}
