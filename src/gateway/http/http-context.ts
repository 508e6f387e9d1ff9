import type { IncomingMessage } from 'node:http';
import type { RateLimiter } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Budgets } from '../budget/budgets.js';
import type { CongestionLimits } from '../congestion.js';
import type { TextsByPrincipal } from '../event-texts.js';
import type { GatewayLogger } from '../gateway-log.js';
import type { ReadinessCheck } from '../readiness.js';
import type { SignIns } from '../sign-ins.js';
import type { TurnQueue } from '../turn-queue.js';
import type { BodyBudget } from './body.js';

/** What the HTTP doors need of the gateway that they belong to. */
export interface HttpContext {
  readonly endpoint: BusEndpoint;
  readonly signIns: SignIns;
  readonly rates: RateLimiter;
  readonly budgets: Budgets;
  readonly texts: TextsByPrincipal;
  readonly turns: TurnQueue;
  readonly bodies: BodyBudget;
  readonly settings: CongestionLimits & {
    readonly heartbeatMs: number;
    /** Stands before every path; `''`, or `/bus`. */
    readonly basePath: string;
  };
  readonly log: GatewayLogger;
  /** Fires when the gateway closes: doors take nothing more. */
  readonly closing: AbortSignal;
  /**
   * A place among the connections of an address, for a stream that stays.
   *
   * @throws Refusal where there are too many, or they come too fast
   */
  enter(address: string): { leave(): void };
  /** The client's, where proxies stand between too. */
  addressOf(request: IncomingMessage): string;
  /** Prometheus text. Left out: there is nothing at `/metrics`. */
  readonly metrics?: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Whether the server can serve, point by point. */
  readiness(): Promise<readonly ReadinessCheck[]>;
}
