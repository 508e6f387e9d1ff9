import { BusError } from '../../protocol/errors.js';
import type { OpenDoor } from '../door.js';
import { assertMayAdminister } from '../permissions.js';
import type { ReadinessCheck } from '../readiness.js';
import { type Exchange, headerOf, JSON_TYPE, sendJson, sendText } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { negotiate } from './media-types.js';

/** `/livez`, `/readyz` and `/metrics`, as Kubernetes and Prometheus ask for them. */
export const openProbesDoor: OpenDoor<HttpContext> = (context) => ({
  routes: [
    {
      method: 'GET',
      path: '/livez',
      handle: livez,
      isPublic: true,
      listing: { about: 'whether the server answers', isLink: true },
    },
    {
      method: 'GET',
      path: '/readyz',
      handle: (exchange) => readyz(exchange, context),
      isPublic: true,
      listing: { about: 'whether it can serve, check by check', query: 'verbose', isLink: true },
    },
    {
      method: 'GET',
      path: '/metrics',
      handle: (exchange) => metrics(exchange, context),
      listing: { about: 'Prometheus text', isLink: true },
    },
  ],
});

const TEXT_TYPE = 'text/plain';
const TEXT = 'text/plain; charset=utf-8';
const UNREADY = 503;

/** Always 200: a server that answers is alive. */
async function livez({ request, response, parameters }: Exchange): Promise<void> {
  parameters.assertKnown(['verbose']);
  const type = negotiate(headerOf(request, 'accept'), [TEXT_TYPE, JSON_TYPE]);
  if (type === JSON_TYPE) sendJson(response, 200, { status: 'ok' });
  else sendText(response, 200, TEXT, 'ok');
}

/** 200 if every check passes, else 503 with the checks; `?verbose` lists them always. */
async function readyz(exchange: Exchange, context: HttpContext): Promise<void> {
  const { request, response, parameters } = exchange;
  parameters.assertKnown(['verbose']);
  const isVerbose = parameters.flag('verbose') ?? false;
  const type = negotiate(headerOf(request, 'accept'), [TEXT_TYPE, JSON_TYPE]);
  const checks = await context.readiness();
  const isReady = checks.every(({ isOk }) => isOk);
  const status = isReady ? 200 : UNREADY;
  if (type === JSON_TYPE) {
    const body = { status: isReady ? 'ok' : 'failed', ...(isVerbose && { checks }) };
    sendJson(response, status, body);
  } else sendText(response, status, TEXT, isVerbose || !isReady ? report(checks, isReady) : 'ok');
}

async function metrics(exchange: Exchange, context: HttpContext): Promise<void> {
  const { response, parameters, principal } = exchange;
  parameters.assertKnown([]);
  if (context.metrics === undefined) throw new BusError('NOT_FOUND', 'no metrics are served here');
  assertMayAdminister(principal, '*');
  const { contentType, text } = await context.metrics();
  sendText(response, 200, contentType, text);
}

/** Lists the checks in the format of the Kubernetes API server. */
function report(checks: readonly ReadinessCheck[], isReady: boolean): string {
  const lines = checks.map(({ name, isOk, reason }) =>
    isOk ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
  );
  return `${lines.join('\n')}\nreadyz check ${isReady ? 'passed' : 'failed'}\n`;
}
