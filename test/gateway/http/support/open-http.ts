import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { openAccess } from '../../../../src/auth/open-access.js';
import type { Authenticator, Principal } from '../../../../src/auth/principal.js';
import { RateLimiter } from '../../../../src/auth/rate-limiter.js';
import { Audit } from '../../../../src/gateway/audit.js';
import { Budgets } from '../../../../src/gateway/budget/budgets.js';
import { Clients } from '../../../../src/gateway/clients.js';
import { openHttpDoors } from '../../../../src/gateway/doors.js';
import { TextsByPrincipal } from '../../../../src/gateway/event-texts.js';
import { BodyBudget } from '../../../../src/gateway/http/body.js';
import type { HttpContext } from '../../../../src/gateway/http/http-context.js';
import { Router } from '../../../../src/gateway/http/router.js';
import { SignIns } from '../../../../src/gateway/sign-ins.js';
import { TurnQueue } from '../../../../src/gateway/turn-queue.js';
import { BusError } from '../../../../src/protocol/errors.js';
import { FakeEndpoint } from '../../support/fake-endpoint.js';

/** The HTTP doors alone, in a plain server, over a fake endpoint. */
export interface TestHttp {
  readonly endpoint: FakeEndpoint;
  readonly app: {
    /** The number of requests whose answers have not ended. */
    readonly pending: number;
    /** Refuses further requests; resolves when all earlier ones are answered. */
    close(): Promise<void>;
  };
  readonly server: Server;
  readonly url: string;
  readonly port: number;
  readonly revoke: (principal: Principal) => void;
}

export interface HttpSettings extends Partial<Omit<HttpContext, 'settings'>> {
  /** Principals by their tokens; any other token is refused. */
  readonly principals?: Readonly<Record<string, Principal>>;
  readonly settings?: Partial<HttpContext['settings']>;
}

const closers: (() => Promise<void>)[] = [];

export async function openHttp(given: HttpSettings = {}): Promise<TestHttp> {
  const { principals, settings, ...context } = given;
  const endpoint = new FakeEndpoint();
  const listeners: ((principal: Principal) => void)[] = [];
  const authenticator = principals === undefined ? openAccess() : tokens(principals, listeners);
  const closing = new AbortController();
  const http: HttpContext = {
    endpoint,
    signIns: new SignIns(authenticator, new Audit(() => {}), 0),
    rates: new RateLimiter(),
    budgets: new Budgets(),
    texts: new TextsByPrincipal(),
    turns: new TurnQueue(),
    clients: new Clients(),
    settings: {
      maxOutboundBytes: 1024 * 1024,
      stallMs: 10_000,
      minDrainBytesPerSecond: 4096,
      heartbeatMs: 30_000,
      basePath: '',
      dashboard: true,
      ...settings,
    },
    log: () => {},
    addressOf: () => '127.0.0.1',
    enter: () => ({ leave: () => {} }),
    readiness: async () => [],
    bodies: new BodyBudget(),
    closing: closing.signal,
    ...context,
  };
  const doors = openHttpDoors(http);
  const router = new Router(
    doors.flatMap((door) => door.routes ?? []),
    http,
  );
  const server = createServer(router.listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all([...doors.map((door) => door.close?.()), router.idle()]);
  };
  closers.push(async () => {
    await Promise.all(doors.map((door) => door.cut?.()));
    await close();
    server.closeAllConnections();
    server.close();
  });
  const revoke = (principal: Principal): void => {
    for (const listener of listeners) listener(principal);
  };
  const app = {
    close,
    get pending() {
      return router.pending;
    },
  };
  return { endpoint, app, server, url: `http://127.0.0.1:${port}`, port, revoke };
}

export function principal(changes: Partial<Principal> = {}): Principal {
  return {
    id: 'test',
    name: 'test',
    isAnonymous: false,
    isRevoked: false,
    rates: {},
    redacts: false,
    readable: ['*'],
    access: { publish: ['*'], subscribe: ['*'], consume: ['*'], admin: ['*'] },
    mayPublish: () => true,
    maySubscribe: () => true,
    beyondSubscribe: () => undefined,
    mayConsume: () => true,
    mayAdminister: () => true,
    redact: (event) => event,
    ...changes,
  };
}

function tokens(
  principals: Readonly<Record<string, Principal>>,
  listeners: ((principal: Principal) => void)[],
): Authenticator {
  return {
    isRequired: true,
    authenticate: async (token) => {
      const found = principals[token ?? ''];
      if (found === undefined) throw new BusError('UNAUTHENTICATED', 'a token is needed');
      return found;
    },
    onRevoked: (listener) => listeners.push(listener),
    close: () => {},
  };
}

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});
