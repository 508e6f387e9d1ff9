import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import { internalsOf } from '../../endpoint/internals.js';
import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import { assertMayAdminister } from '../permissions.js';
import { type Exchange, headerOf, JSON_TYPE, sendJson, sendText } from './exchange.js';
import type { ReadinessCheck, RouteContext } from './http-context.js';
import { negotiate } from './media-types.js';

/** `/livez`, `/readyz` and `/metrics`, as Kubernetes and Prometheus ask for them. */
const TEXT_TYPE = 'text/plain';
const TEXT = 'text/plain; charset=utf-8';
const UNREADY = 503;

/** It answers: it lives. */
export async function livez({ request, response, parameters }: Exchange): Promise<void> {
  parameters.assertKnown(['verbose']);
  const type = negotiate(headerOf(request, 'accept'), [TEXT_TYPE, JSON_TYPE]);
  if (type === JSON_TYPE) sendJson(response, 200, { status: 'ok' });
  else sendText(response, 200, TEXT, 'ok');
}

/** 200 if every check is passed, else 503; `?verbose` names them. */
export async function readyz(exchange: Exchange, context: RouteContext): Promise<void> {
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

export async function metrics(exchange: Exchange, context: RouteContext): Promise<void> {
  const { response, parameters, principal } = exchange;
  parameters.assertKnown([]);
  if (context.metrics === undefined) throw new BusError('NOT_FOUND', 'no metrics are served here');
  assertMayAdminister(principal, '*');
  const { contentType, text } = await context.metrics();
  sendText(response, 200, contentType, text);
}

/**
 * Whether a bus can be used, point by point. A shard runs only with its log open for writing: one that cannot write
 * restarts, and has failed when that does not help. One that runs must answer as well, over this gateway's own link.
 * Gateways that share a port stand for each other's clients: one that is away makes all of them not ready.
 */
export async function busReadiness(
  endpoint: Pick<BusEndpoint, 'stats'>,
  isClosing: boolean,
): Promise<readonly ReadinessCheck[]> {
  const closing = check('serving', isClosing ? 'the server is stopping' : undefined);
  try {
    const faults = await internalsOf(endpoint)?.shardFaults();
    const { shards, gateways } = await endpoint.stats();
    const ofShards = shards.map(({ shard, state }) =>
      check(`shard-${shard}`, state === 'running' ? faults?.[shard] : `it is ${state}`),
    );
    const ofGateways = gateways.map(({ gateway, state }) =>
      check(`gateway-${gateway}`, state === 'listening' ? undefined : `it is ${state}`),
    );
    return [closing, check('bus', undefined), ...ofShards, ...ofGateways];
  } catch (error) {
    return [closing, check('bus', messageOf(error))];
  }
}

function check(name: string, reason: string | undefined): ReadinessCheck {
  return reason === undefined ? { name, isOk: true } : { name, isOk: false, reason };
}

/** The form of the Kubernetes API server. */
function report(checks: readonly ReadinessCheck[], isReady: boolean): string {
  const lines = checks.map(({ name, isOk, reason }) =>
    isOk ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
  );
  return `${lines.join('\n')}\nreadyz check ${isReady ? 'passed' : 'failed'}\n`;
}
