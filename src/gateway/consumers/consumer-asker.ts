import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { Administrator } from '../audit.js';
import type { Budget } from '../budget/budget.js';

/** The client on whose behalf a call is made. */
export interface ConsumerAsker extends Administrator {
  readonly rates: ConnectionRates;
  readonly budget: Budget;
  /** The connection's id; undefined for a plain request. */
  readonly connection?: string | undefined;
}

/** What the bus is told of the client, for its lists of members. */
export function clientOf({ principal, connection }: ConsumerAsker) {
  const client = { principal: principal.name };
  return connection === undefined ? client : { ...client, connection };
}
