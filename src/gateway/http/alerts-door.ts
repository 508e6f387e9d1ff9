import type { AlertRuleInput } from '../../protocol/alerts.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { OpenDoor } from '../door.js';
import type { Operations } from '../operations.js';
import { Refusal } from '../refusal.js';
import { parseJson, withBody } from './body.js';
import { checkHead } from './check-head.js';
import { type Exchange, headerOf, JSON_TYPE, sendJson } from './exchange.js';
import { isJsonType, parseMediaType } from './media-types.js';

/** Alerts over HTTP: the rules that watch the bus, for administrators. */
export const openAlertsDoor: OpenDoor = ({ operations }) => ({
  routes: [
    {
      method: 'GET',
      path: '/v1/alerts',
      handle: (exchange) => list(exchange, operations),
      listing: { about: 'the rules that watch the bus, and which of them fire', isLink: true },
    },
    {
      method: 'PUT',
      path: '/v1/alerts/:name',
      handle: (exchange) => set(exchange, operations),
      listing: { about: 'sets a rule' },
    },
    {
      method: 'DELETE',
      path: '/v1/alerts/:name',
      handle: (exchange) => remove(exchange, operations),
      listing: { about: 'removes a rule' },
    },
  ],
});

async function list(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await operations.alerts(exchange));
}

async function set(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  const { request, response, segments } = exchange;
  const { name: type } = parseMediaType(headerOf(request, 'content-type'));
  if (!isJsonType(type)) {
    const message = `content-type ${quote(type)} is not ${JSON_TYPE}`;
    throw new Refusal(415, 'MESSAGE_INVALID', message, { path: 'content-type' });
  }
  const name = segments.name!;
  const alert = await withBody(exchange, async (body) =>
    operations.setAlert(exchange, ruleOf(name, parseJson(body, 'the body').value)),
  );
  sendJson(response, 200, alert);
}

async function remove(exchange: Exchange, operations: Operations): Promise<void> {
  checkHead(exchange);
  sendJson(exchange.response, 200, await operations.removeAlert(exchange, exchange.segments.name!));
}

/** The rule of a body; its name is that of the path. @throws BusError `ALERT_INVALID` */
function ruleOf(name: string, body: unknown): AlertRuleInput {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid('', `the body is ${quote(body)}, and should be a rule: { when, … }`);
  }
  if ('name' in body && body.name !== name) {
    throw invalid('name', `name ${quote(body.name)} is not that of the path, ${quote(name)}`);
  }
  return { ...(body as AlertRuleInput), name };
}

function invalid(path: string, message: string): BusError {
  return new BusError('ALERT_INVALID', message, { details: { path } });
}
