import { CLOUD_EVENT_TYPE, cloudEventText } from '../../protocol/cloud-event.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { findFor } from '../asking.js';
import { type Exchange, headerOf, JSON_TYPE, sendText } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { negotiate } from './media-types.js';

/**
 * `GET /v1/events/{id}`: one event. An event that the principal may not read is answered like one that does not exist.
 */
const KNOWN = ['topic', 'source'];

export async function getEvent(exchange: Exchange, context: HttpContext): Promise<void> {
  const { request, response, parameters, segments, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), [JSON_TYPE, CLOUD_EVENT_TYPE]);
  parameters.assertKnown(KNOWN);
  const id = segments.id!;
  const topics = parameters.all('topic') ?? ['*'];
  const source = parameters.one('source');
  const options = source === undefined ? {} : { source };
  rates.query();
  await budget.query(async (asker) => {
    const event = await findFor(context.endpoint, { asker, principal }, topics, id, options);
    if (event === undefined) throw new BusError('NOT_FOUND', `there is no event ${quote(id)}`);
    const text =
      type === CLOUD_EVENT_TYPE
        ? cloudEventText(principal.redacts ? principal.redact(event) : event)
        : context.texts.of(principal).of(event).text;
    sendText(response, 200, type, text);
  });
}
