import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { openAccess } from '../../auth/open-access.js';
import type { Principal } from '../../auth/principal.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { WIRE_PATH } from '../../protocol/wire.js';
import { Refusal } from '../admission.js';
import { errorData } from '../error-data.js';
import { isNormalPath, pathOf } from '../http.js';
import { BodyBudget, roomIn } from './body.js';
import { allowCrossOrigin, answerPreflight, setSecurityHeaders } from './cross-origin.js';
import { refuseForNow } from './event-stream-frames.js';
import { type Exchange, sendError, sendText } from './exchange.js';
import { getEvent } from './get-event.js';
import type { HttpContext, RouteContext } from './http-context.js';
import { listSubscribers, listTopics, stats } from './lists.js';
import { Parameters } from './parameters.js';
import { livez, metrics, readyz } from './probes.js';
import { publish } from './publish.js';
import { queryEvents } from './query.js';
import { START_PAGE_POLICY, startPage } from './start-page.js';
import { Streams } from './streams.js';

/**
 * The HTTP doors of a gateway, as a listener for any `node:http` server. Who may come near at all (host, origin, address) is
 * the gateway's to judge before; here a token becomes a principal, and every route asks that. Lives on one event loop.
 */
export interface HttpApp {
  /** Answers a request that was admitted. Never throws. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  /** Requests that are not answered to their end, streams included. */
  readonly pending: number;
  /** Takes no more, and ends every stream; resolves when all requests are answered and all subscriptions released. */
  close(): Promise<void>;
  /** Cuts the streams that did not end. */
  cut(): void;
}

type Handler = (exchange: Exchange, context: RouteContext) => Promise<void>;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly handler: Handler;
  /** Open to whoever reaches the server: it tells nothing of the bus's contents. */
  readonly isPublic?: true;
  /** Read by browsers that come back by themselves, unless they are told not to. */
  readonly isStream?: true;
}

export function createHttpApp(context: HttpContext): HttpApp {
  const closing = new AbortController();
  const shared: RouteContext = { ...contextOf(context), closing: closing.signal };
  const streams = new Streams(shared);
  const pending = new Set<Promise<unknown>>();
  const { basePath } = context.settings;
  const streamPath = `${basePath}${STREAM_PATH}`;
  const app = routed(routes(streams, basePath), shared);
  const answer = getRequestListener((request, env) => app.fetch(request, env), {
    // Whoever mounts this keeps their own `Request` and `Response`.
    overrideGlobalObjects: false,
    hostname: 'localhost',
    errorHandler: () => {
      const error = new BusError('MESSAGE_INVALID', 'the target of the request is no URL');
      const body = JSON.stringify(error);
      return new Response(body, { status: 400, headers: { 'content-type': 'application/json' } });
    },
  });
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    setSecurityHeaders(response);
    allowCrossOrigin(request, response);
    if (closing.signal.aborted) {
      const error = new BusError('BUS_CLOSED', 'the server is stopping');
      response.setHeader('connection', 'close');
      if (pathOf(request) !== streamPath || !refuseForNow(response, error)) {
        sendError(response, error);
      }
      return;
    }
    if (!isNormalPath(pathOf(request))) {
      sendNotFound(request, response);
      return;
    }
    const handled = answer(request, response).catch((error: unknown) => {
      context.log('error', 'request failed', { error: errorData(error) });
      response.destroy();
    });
    const over = Promise.all([handled, new Promise((resolve) => response.once('close', resolve))]);
    pending.add(over);
    void over.then(() => pending.delete(over));
  };
  const close = async (): Promise<void> => {
    closing.abort();
    await streams.close();
    await Promise.all(pending);
  };
  return {
    listener,
    close,
    cut: () => streams.cut(),
    get pending() {
      return pending.size;
    },
  };
}

/** A spread would leave out what a class inherits. */
function contextOf(context: HttpContext): Omit<RouteContext, 'closing'> {
  const { endpoint, signIns, rates, budgets, texts, turns, settings, log } = context;
  return {
    endpoint,
    signIns,
    rates,
    budgets,
    texts,
    turns,
    settings,
    log,
    bodies: new BodyBudget(),
    addressOf: (request) => context.addressOf(request),
    enter: (address) => context.enter(address),
    readiness: () => context.readiness(),
    ...(context.metrics !== undefined && { metrics: context.metrics }),
  };
}

const STREAM_PATH = '/v1/events/stream';

function routes(streams: Streams, basePath: string): readonly Route[] {
  const page = startPage(basePath);
  const sendStartPage = async ({ response }: Exchange): Promise<void> => {
    response.setHeader('content-security-policy', START_PAGE_POLICY);
    sendText(response, 200, 'text/html; charset=utf-8', page);
  };
  const all: readonly Route[] = [
    { method: 'POST', path: '/v1/events', handler: publish },
    { method: 'GET', path: '/v1/events', handler: queryEvents },
    { method: 'GET', path: STREAM_PATH, handler: streams.stream, isStream: true },
    // Behind the stream, whose name is an id as well.
    { method: 'GET', path: '/v1/events/:id', handler: getEvent },
    { method: 'GET', path: '/v1/topics', handler: listTopics },
    { method: 'GET', path: '/v1/subscribers', handler: listSubscribers },
    { method: 'GET', path: '/v1/stats', handler: stats },
    { method: 'GET', path: '/metrics', handler: metrics },
    { method: 'GET', path: '/livez', handler: livez, isPublic: true },
    { method: 'GET', path: '/readyz', handler: readyz, isPublic: true },
    { method: 'GET', path: '/', handler: sendStartPage, isPublic: true },
    { method: 'GET', path: WIRE_PATH, handler: upgradeRequired, isPublic: true },
  ];
  const placed = all.map((route) => ({ ...route, path: `${basePath}${route.path}` }));
  if (basePath === '') return placed;
  return [...placed, { method: 'GET', path: basePath, handler: sendStartPage, isPublic: true }];
}

function routed(all: readonly Route[], context: RouteContext): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const methods = new Map<string, string[]>();
  for (const route of all) {
    // HEAD is answered as GET, without its body.
    const allowed = route.method === 'GET' ? ['GET', 'HEAD'] : [route.method];
    methods.set(route.path, [...(methods.get(route.path) ?? []), ...allowed]);
    app.on(route.method, route.path, async ({ env }) => {
      await run(route, env.incoming, env.outgoing, context);
      return RESPONSE_ALREADY_SENT;
    });
  }
  for (const [path, allowed] of methods) {
    const allow = [...allowed, 'OPTIONS'].join(', ');
    app.all(path, ({ env }) => {
      const { incoming, outgoing } = env;
      incoming.resume();
      outgoing.setHeader('allow', allow);
      if (incoming.method === 'OPTIONS') answerPreflight(incoming, outgoing, allow);
      else sendError(outgoing, notAllowed(incoming.method, path, allow));
      return RESPONSE_ALREADY_SENT;
    });
  }
  app.notFound(({ env }) => {
    sendNotFound(env.incoming, env.outgoing);
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}

function sendNotFound(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const message = `there is nothing at ${quote(pathOf(request))}; see / for what there is`;
  sendError(response, new BusError('NOT_FOUND', message));
}

async function run(
  { handler, isPublic, isStream }: Route,
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
): Promise<void> {
  try {
    const address = context.addressOf(request);
    const principal = isPublic ? ANYBODY : await authenticated(request, address, context);
    const parameters = new Parameters(request.url ?? '/');
    const budget = context.budgets.open(principal, address);
    response.once('close', () => budget.close());
    if (response.destroyed) budget.close();
    const rates = context.rates.requests(principal, address);
    const bodies = roomIn(budget.bodies, context.bodies);
    const exchange = { request, response, parameters, principal, address, budget, rates, bodies };
    await handler(exchange, context);
  } catch (error) {
    // Whoever has left caused it, and hears no answer.
    if (response.destroyed) return;
    tellFailure(request, error, context);
    if (isStream && refuseForNow(response, error)) return;
    sendError(response, error);
  }
}

const ANYBODY: Principal = await openAccess().authenticate(undefined);

/** @throws BusError `UNAUTHENTICATED`, `AUTH_UNAVAILABLE`, `RATE_LIMITED` */
function authenticated(
  { headers }: IncomingMessage,
  address: string,
  { signIns }: RouteContext,
): Promise<Principal> {
  return signIns.authenticate(signIns.tokenOf(headers.authorization, address), address);
}

function tellFailure(request: IncomingMessage, error: unknown, { log }: RouteContext): void {
  const { code, message } = errorData(error);
  const isOurs = !(error instanceof BusError);
  const fields = { code, method: request.method, reason: message };
  log(isOurs ? 'error' : 'debug', 'request refused', fields);
}

function notAllowed(method: string | undefined, path: string, allow: string): Refusal {
  const message = `${method} is not served at ${path}; ${allow} are`;
  return new Refusal(405, 'MESSAGE_INVALID', message, { path: 'method' });
}

async function upgradeRequired({ response }: Exchange): Promise<void> {
  const message = `${WIRE_PATH} is a WebSocket; this request is no upgrade`;
  sendError(response, new Refusal(426, 'MESSAGE_INVALID', message), { upgrade: 'websocket' });
}
