import {
  HELD_BYTES_MAX,
  HELD_BYTES_PER_CONNECTION_MAX,
  HELD_BYTES_PER_PRINCIPAL_MAX,
  PATTERNS_PER_CONNECTION_MAX,
  PATTERNS_PER_PRINCIPAL_MAX,
  QUERIES_PER_CONNECTION_MAX,
  QUERIES_PER_PRINCIPAL_MAX,
  SUBSCRIPTIONS_PER_CONNECTION_MAX,
  SUBSCRIPTIONS_PER_PRINCIPAL_MAX,
} from '../../protocol/limits/budgets.js';
import { WEBSOCKET_FRAME_BYTES_MAX } from '../../protocol/limits/websocket.js';
import type { WorkShare } from '../../threads/work-shares.js';
import type { CreditPool } from './credit-pool.js';
import type { MessageParts } from './message-parts.js';
import type { Places } from './places.js';
import type { Share } from './share.js';

/** What a connection, and a principal over all its connections, may take of a gateway. */
export interface BudgetLimits {
  readonly maxSubscriptions: number;
  readonly maxSubscriptionsPerPrincipal: number;
  readonly maxPatterns: number;
  readonly maxPatternsPerPrincipal: number;
  readonly maxQueries: number;
  readonly maxQueriesPerPrincipal: number;
  readonly maxHeldBytes: number;
  readonly maxHeldBytesPerPrincipal: number;
  readonly maxHeldBytesTotal: number;
  readonly maxFrameBytes: number;
}

export const BUDGET_LIMITS: BudgetLimits = {
  maxSubscriptions: SUBSCRIPTIONS_PER_CONNECTION_MAX,
  maxSubscriptionsPerPrincipal: SUBSCRIPTIONS_PER_PRINCIPAL_MAX,
  maxPatterns: PATTERNS_PER_CONNECTION_MAX,
  maxPatternsPerPrincipal: PATTERNS_PER_PRINCIPAL_MAX,
  maxQueries: QUERIES_PER_CONNECTION_MAX,
  maxQueriesPerPrincipal: QUERIES_PER_PRINCIPAL_MAX,
  maxHeldBytes: HELD_BYTES_PER_CONNECTION_MAX,
  maxHeldBytesPerPrincipal: HELD_BYTES_PER_PRINCIPAL_MAX,
  maxHeldBytesTotal: HELD_BYTES_MAX,
  maxFrameBytes: WEBSOCKET_FRAME_BYTES_MAX,
};

/** The counts of one principal. */
export interface Account {
  readonly key: string;
  readonly bytes: Share;
  /** Calls of shards that look for something: one at a time. */
  readonly asks: Share;
  readonly queries: Share;
  readonly credit: CreditPool;
  connections: number;
  subscriptions: number;
  patterns: number;
  /** Queries that wait or run. */
  asked: number;
  /** Pulls of consumers that wait or are answered. */
  pulls: number;
  bodyBytes: number;
  readonly places: Places;
  readonly work: WorkShare;
  readonly parts: MessageParts;
}
