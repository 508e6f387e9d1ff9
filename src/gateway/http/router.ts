import type { IncomingMessage, ServerResponse } from 'node:http';
import { openAccess } from '../../auth/open-access.js';
import type { Principal } from '../../auth/principal.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { errorData } from '../error-data.js';
import { Refusal } from '../refusal.js';
import { hasPath, isNormalPath, pathOf } from '../request-path.js';
import { roomIn } from './body.js';
import { allowCrossOrigin, answerPreflight, setSecurityHeaders } from './cross-origin.js';
import { sendError } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { Parameters } from './parameters.js';
import { endWithConnection } from './queued-responses.js';
import type { Route } from './route.js';
import { type Resource, RouteTable } from './route-table.js';

/**
 * Answers HTTP requests by the routes of all doors, as a listener for any `node:http` server. The gateway has checked
 * host, origin and address before; the router turns a token into a principal, which each route checks. Runs on one
 * event loop.
 */
export class Router {
  readonly #context: HttpContext;
  readonly #table: RouteTable;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(routes: readonly Route[], context: HttpContext) {
    this.#context = context;
    this.#table = new RouteTable(routes, context.settings.basePath);
  }

  /** The number of requests whose answers have not ended, streams included. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Answers a request that the gateway admitted. Never throws. */
  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    endWithConnection(request.socket, response);
    setSecurityHeaders(response);
    allowCrossOrigin(request, response);
    const path = pathOf(request);
    const resource = isNormalPath(path) ? this.#table.find(path) : undefined;
    const route = resource?.byMethod.get(request.method ?? '');
    if (this.#context.closing.aborted) refuseAtClosing(route, response);
    else if (!hasPath(request)) sendNoTarget(request, response);
    else if (resource === undefined) sendNotFound(request, path, response);
    else if (route === undefined) answerOtherMethod(request, resource, response);
    else this.#answer(route, path, request, response);
  };

  /** Resolves when the answers of all requests that were taken have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #answer(route: Route, path: string, request: IncomingMessage, response: ServerResponse): void {
    const closed = new Promise((resolve) => response.once('close', resolve));
    const over = Promise.all([this.#run(route, path, request, response), closed]);
    this.#pending.add(over);
    void over.then(() => this.#pending.delete(over));
  }

  /** Never rejects. */
  async #run(
    route: Route,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const context = this.#context;
    try {
      const address = context.addressOf(request);
      const principal = route.isPublic ? ANYBODY : await authenticated(request, address, context);
      const parameters = new Parameters(request.url ?? '/');
      const segments = this.#table.parametersOf(route, path);
      const budget = context.budgets.open(principal, address);
      response.once('close', () => budget.close());
      if (response.destroyed) budget.close();
      const rates = context.rates.requests(principal, address);
      const bodies = roomIn(budget.bodies, context.bodies);
      await route.handle({
        request,
        response,
        parameters,
        segments,
        principal,
        address,
        budget,
        rates,
        bodies,
      });
    } catch (error) {
      // The client has left, which probably caused the error; nobody is there to answer.
      if (response.destroyed) return;
      logFailure(request, error, context);
      if (route.refuse?.(response, error) !== true) sendError(response, error);
    }
  }
}

const ANYBODY: Principal = await openAccess().authenticate(undefined);

/** @throws BusError `UNAUTHENTICATED`, `AUTH_UNAVAILABLE`, `RATE_LIMITED` */
function authenticated(
  { headers }: IncomingMessage,
  address: string,
  { signIns }: HttpContext,
): Promise<Principal> {
  return signIns.authenticate(signIns.tokenOf(headers.authorization, address), address);
}

function refuseAtClosing(route: Route | undefined, response: ServerResponse): void {
  const error = new BusError('BUS_CLOSED', 'the server is stopping');
  response.setHeader('connection', 'close');
  if (route?.refuse?.(response, error) !== true) sendError(response, error);
}

function sendNoTarget(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  sendError(response, new BusError('MESSAGE_INVALID', 'the target of the request is not a URL'));
}

function sendNotFound(request: IncomingMessage, path: string, response: ServerResponse): void {
  request.resume();
  const message = `there is nothing at ${quote(path)}; /v1 lists the paths`;
  sendError(response, new BusError('NOT_FOUND', message));
}

function answerOtherMethod(
  request: IncomingMessage,
  { path, allow }: Resource,
  response: ServerResponse,
): void {
  request.resume();
  response.setHeader('allow', allow);
  if (request.method === 'OPTIONS') {
    answerPreflight(request, response, allow);
    return;
  }
  const message = `${request.method} is not served at ${path}; ${allow} are`;
  sendError(response, new Refusal(405, 'MESSAGE_INVALID', message, { path: 'method' }));
}

function logFailure(request: IncomingMessage, error: unknown, { log }: HttpContext): void {
  const { code, message } = errorData(error);
  const isOurs = !(error instanceof BusError);
  const fields = { code, method: request.method, reason: message };
  log(isOurs ? 'error' : 'debug', 'request refused', fields);
}
