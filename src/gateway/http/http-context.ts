import type { IncomingMessage } from 'node:http';
import type { RateLimiter } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Budgets } from '../budget/budgets.js';
import type { Clients } from '../clients.js';
import type { CongestionLimits } from '../congestion.js';
import type { TextsByPrincipal } from '../event-texts.js';
import type { GatewayLogger } from '../gateway-log.js';
import type { ReadinessCheck } from '../readiness.js';
import type { SignIns } from '../sign-ins.js';
import type { TurnQueue } from '../turn-queue.js';
import type { BodyBudget } from './body.js';

/** The parts of the gateway that its HTTP doors use. */
export interface HttpContext {
  readonly endpoint: BusEndpoint;
  readonly signIns: SignIns;
  readonly rates: RateLimiter;
  readonly budgets: Budgets;
  readonly texts: TextsByPrincipal;
  readonly turns: TurnQueue;
  readonly clients: Clients;
  readonly bodies: BodyBudget;
  readonly settings: CongestionLimits & {
    readonly heartbeatMs: number;
    /** The prefix of every path: `''`, or for example `/bus`. */
    readonly basePath: string;
    /** Serves the dashboard at `/`. */
    readonly dashboard: boolean;
  };
  readonly log: GatewayLogger;
  /** Fires when the gateway closes: doors take nothing more. */
  readonly closing: AbortSignal;
  /**
   * Takes a place among the connections of an address, for a stream.
   *
   * @throws Refusal where there are too many connections, or they come too fast
   */
  enter(address: string): { leave(): void };
  /** The client's address, also behind trusted proxies. */
  addressOf(request: IncomingMessage): string;
  /** Returns the metrics as Prometheus text. Where it is left out, `/metrics` answers 404. */
  readonly metrics?: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Checks whether the server can serve: one result for each check. */
  readiness(): Promise<readonly ReadinessCheck[]>;
}
