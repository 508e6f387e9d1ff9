import type { Principal } from '../../auth/principal.js';
import { keyOf } from '../../auth/rate-limiter.js';
import {
  ASKS_AT_ONCE_MAX,
  QUERIES_AT_ONCE_MAX,
  READS_AT_ONCE_MAX,
  READS_PER_PRINCIPAL_MAX,
  WORK_SHARES_KEPT_MAX,
} from '../../protocol/limits/budgets.js';
import { MESSAGE_PARTS_PER_PRINCIPAL_BYTES_MAX } from '../../protocol/limits/websocket.js';
import { type WorkShare, WorkShares } from '../../threads/work-shares.js';
import { type Account, BUDGET_LIMITS, type BudgetLimits } from './account.js';
import { Budget } from './budget.js';
import { CreditPool } from './credit-pool.js';
import { MessageParts } from './message-parts.js';
import { Places } from './places.js';
import { Share } from './share.js';

/**
 * Limits the resources that a gateway's clients share: memory, reads of the log, queries, subscriptions and patterns.
 * They are counted for each connection (a plain HTTP request counts as one), for each principal over all its
 * connections (without a token: for each address) and, for memory, reads and queries, in all. A gateway has one; one
 * thread uses it.
 */
export class Budgets {
  readonly #limits: BudgetLimits;
  readonly #bytes: Share;
  readonly #queries = Share.whole(QUERIES_AT_ONCE_MAX);
  readonly #asks = Share.whole(ASKS_AT_ONCE_MAX);
  readonly #accounts = new Map<string, Account>();
  readonly #work = new WorkShares();
  /** The parts of principals whose last connection or request has ended, which may come again at once. */
  readonly #keptWork = new Map<string, WorkShare>();

  constructor(limits: BudgetLimits = BUDGET_LIMITS) {
    this.#limits = limits;
    this.#bytes = Share.whole(limits.maxHeldBytesTotal, READS_AT_ONCE_MAX);
  }

  /** Bytes that are held for all clients together. */
  get heldBytes(): number {
    return this.#bytes.held;
  }

  /** Principals that have a connection. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Opens the budget of a connection or a request, which has to `close()` it when it ends. */
  open(principal: Principal, address: string): Budget {
    const key = keyOf(principal, address);
    const limits = this.#limits;
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = {
        key,
        bytes: this.#bytes.part(limits.maxHeldBytesPerPrincipal, READS_PER_PRINCIPAL_MAX),
        asks: this.#asks.part(1),
        queries: this.#queries.part(limits.maxQueriesPerPrincipal),
        credit: new CreditPool(limits.maxHeldBytesPerPrincipal),
        connections: 0,
        subscriptions: 0,
        patterns: 0,
        asked: 0,
        pulls: 0,
        bodyBytes: 0,
        places: new Places(),
        work: this.#keptWork.get(key) ?? this.#work.part(),
        parts: new MessageParts(turnsOf(limits)),
      };
      this.#accounts.set(key, account);
      this.#keptWork.delete(key);
    }
    account.connections++;
    const close = (): void => {
      if (--account.connections > 0) return;
      this.#accounts.delete(key);
      account.bytes.dispose();
      account.queries.dispose();
      account.asks.dispose();
      this.#keep(key, account.work);
    };
    return new Budget(limits, account, close);
  }

  #keep(key: string, work: WorkShare): void {
    const kept = this.#keptWork;
    kept.set(key, work);
    if (kept.size <= WORK_SHARES_KEPT_MAX) return;
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }
}

/** How many connections of a principal may have a message that has come in part. */
function turnsOf({ maxFrameBytes }: BudgetLimits): number {
  return Math.max(1, Math.floor(MESSAGE_PARTS_PER_PRINCIPAL_BYTES_MAX / maxFrameBytes));
}
