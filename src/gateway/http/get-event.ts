import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { findFor } from '../asked.js';
import { pathOf } from '../http.js';
import { CLOUD_EVENT_TYPE, cloudEventText } from './cloud-events.js';
import { type Exchange, headerOf, JSON_TYPE, sendText } from './exchange.js';
import type { RouteContext } from './http-context.js';
import { negotiate } from './media-types.js';

/** `GET /v1/events/{id}`: one event. What its asker may not read is answered as what is not there. */
const KNOWN = ['topic', 'source'];

export async function getEvent(exchange: Exchange, context: RouteContext): Promise<void> {
  const { request, response, parameters, principal, budget, rates } = exchange;
  const type = negotiate(headerOf(request, 'accept'), [JSON_TYPE, CLOUD_EVENT_TYPE]);
  parameters.assertKnown(KNOWN);
  const id = idOf(pathOf(request));
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

/** @throws BusError `QUERY_INVALID` */
function idOf(path: string): string {
  const text = path.slice(path.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    const details = { path: 'id' };
    throw new BusError('QUERY_INVALID', `the id ${quote(text)} is not encoded as it has to be`, {
      details,
      cause,
    });
  }
}
