import { expect, it } from 'vitest';
import { RateLimiter } from '../../../src/auth/rate-limiter.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import type { Operations } from '../../../src/gateway/operations.js';
import {
  type OperationFrame,
  OperationRequests,
} from '../../../src/gateway/websocket/operation-requests.js';
import type { Outbound } from '../../../src/gateway/websocket/outbound.js';
import { QUERIES_PER_CONNECTION_MAX } from '../../../src/protocol/limits/budgets.js';
import { principal } from '../http/support/open-http.js';

it.each(['connections', 'definitions', 'subscribers'] as const)(
  'a connection that asks for %s many times at once holds only as many lists as queries',
  async (type) => {
    let held = 0;
    const list = (): Promise<never> => {
      held++;
      return new Promise<never>(() => {});
    };
    const operations = { connections: list, definitions: list, subscribers: list };
    const requests = new OperationRequests(
      operations as Partial<Operations> as Operations,
      {} as Partial<Outbound> as Outbound,
    );
    const who = { principal: principal(), address: '127.0.0.1' };
    const budget = new Budgets().open(who.principal, who.address);
    const asker = { ...who, budget, rates: new RateLimiter().connection(who.principal) };
    for (let requestId = 1; requestId <= 3 * QUERIES_PER_CONNECTION_MAX; requestId++) {
      void requests.answer({ type, requestId } as OperationFrame, asker);
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(held).toBe(QUERIES_PER_CONNECTION_MAX);
  },
);
