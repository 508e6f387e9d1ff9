import type { Principal } from '../../auth/principal.js';
import { keyOf } from '../../auth/rate-limiter.js';
import type { Asker } from '../../endpoint/asker.js';
import { BusError } from '../../protocol/errors.js';
import {
  ASKS_AT_ONCE_MAX,
  CLIENT_CREDIT_BYTES,
  CLIENT_CREDIT_BYTES_MIN,
  HELD_BYTES_MAX,
  HELD_BYTES_PER_CONNECTION_MAX,
  HELD_BYTES_PER_PRINCIPAL_MAX,
  PATTERNS_PER_CONNECTION_MAX,
  PATTERNS_PER_PRINCIPAL_MAX,
  QUERIES_AT_ONCE_MAX,
  QUERIES_PER_CONNECTION_MAX,
  QUERIES_PER_PRINCIPAL_MAX,
  QUERIES_WAITING_PER_PRINCIPAL_MAX,
  READS_AT_ONCE_MAX,
  READS_PER_PRINCIPAL_MAX,
  SUBSCRIPTIONS_PER_CONNECTION_MAX,
  SUBSCRIPTIONS_PER_PRINCIPAL_MAX,
  WORK_FOUND_EVENT_MS,
  WORK_FOUND_KIB_MS,
} from '../../protocol/limits/budgets.js';
import { PULLS_PER_PRINCIPAL_MAX } from '../../protocol/limits/consumers.js';
import { HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX } from '../../protocol/limits/http.js';
import { KIB } from '../../protocol/limits/units.js';
import {
  MESSAGE_PARTS_PER_PRINCIPAL_BYTES_MAX,
  WEBSOCKET_FRAME_BYTES_MAX,
} from '../../protocol/limits/websocket.js';
import { type WorkShare, WorkShares } from '../../threads/work-shares.js';
import { MessageParts } from './message-parts.js';
import { Places } from './places.js';
import { Share } from './share.js';

/**
 * Limits the resources that a gateway's clients share: memory, reads of the log, queries, subscriptions and patterns.
 * They are counted for each connection (a plain HTTP request counts as one), for each principal over all its
 * connections (without a token: for each address) and, for memory, reads and queries, in all. A gateway has one; one
 * thread uses it.
 */
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
interface Account {
  readonly key: string;
  readonly bytes: Share;
  /** Calls of shards that look for something: one at a time. */
  readonly asks: Share;
  readonly queries: Share;
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

export class Budgets {
  readonly #limits: BudgetLimits;
  readonly #bytes: Share;
  readonly #queries = Share.whole(QUERIES_AT_ONCE_MAX);
  readonly #asks = Share.whole(ASKS_AT_ONCE_MAX);
  readonly #accounts = new Map<string, Account>();
  readonly #work = new WorkShares();

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
        connections: 0,
        subscriptions: 0,
        patterns: 0,
        asked: 0,
        pulls: 0,
        bodyBytes: 0,
        places: new Places(),
        work: this.#work.part(),
        parts: new MessageParts(turnsOf(limits)),
      };
      this.#accounts.set(key, account);
    }
    account.connections++;
    const close = (): void => {
      if (--account.connections > 0) return;
      this.#accounts.delete(key);
      account.bytes.dispose();
      account.queries.dispose();
      account.asks.dispose();
    };
    return new Budget(limits, account, close);
  }
}

/** The part of a budget that one subscription takes. */
export interface PlacedSubscription {
  /**
   * Changes the number of patterns.
   *
   * @throws BusError `LIMIT_EXCEEDED`; the number stays as it was
   */
  update(patterns: number): void;
  /** Gives the subscription and its patterns back. Idempotent. */
  leave(): void;
}

export class Budget {
  /** Bytes of history that was read for the client, and of output that waits for it. */
  readonly bytes: Share;
  readonly #limits: BudgetLimits;
  readonly #account: Account;
  readonly #queries: Share;
  readonly #asks: Share;
  readonly #onClose: () => void;
  #subscriptions = 0;
  #patterns = 0;
  #isClosed = false;

  constructor(limits: BudgetLimits, account: Account, onClose: () => void) {
    this.#limits = limits;
    this.#account = account;
    this.#onClose = onClose;
    this.bytes = account.bytes.part(limits.maxHeldBytes);
    this.#queries = account.queries.part(limits.maxQueries);
    this.#asks = account.asks.part(1);
  }

  /**
   * Whether the principal, or the gateway, holds all the bytes that it may: each client's output is then bounded
   * tighter.
   */
  get isPressed(): boolean {
    return this.#account.bytes.isFull;
  }

  /** Gives all back when the client is gone. Askers report `isGone` from then on. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#count(-this.#subscriptions, -this.#patterns);
    this.#isClosed = true;
    this.bytes.dispose();
    this.#queries.dispose();
    this.#asks.dispose();
    this.#onClose();
  }

  /** The principal's room for request bodies that are arriving. `take` throws BusError `LIMIT_EXCEEDED`. */
  get bodies(): { take(bytes: number): void; giveBack(bytes: number): void } {
    const account = this.#account;
    const limit = HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX;
    return {
      take: (bytes) => {
        if (account.bodyBytes + bytes > limit) {
          const message = `the requests of this principal hold the ${limit} bytes that they may`;
          throw refusal(message, { limit, limitOf: 'principal' });
        }
        account.bodyBytes += bytes;
      },
      giveBack: (bytes) => {
        account.bodyBytes -= bytes;
      },
    };
  }

  /** The principal's part of the thread's time. */
  get work(): WorkShare {
    return this.#account.work;
  }

  /** The principal's messages that have come in part. */
  get parts(): MessageParts {
    return this.#account.parts;
  }

  /** What the principal has of the things of which the bus has few. */
  get places(): Places {
    return this.#account.places;
  }

  /** For calls that are no query. They are made even if the client goes away meanwhile. */
  get turns(): Pick<Asker, 'askInTurn' | 'found'> {
    return {
      askInTurn: (ask) => this.#askInTurn(ask),
      found: (events, bytes) => this.#found(events, bytes),
    };
  }

  /** The asker of a subscription of this connection, with the credit in bytes for each of `shards`. */
  asker(shards: number, client?: Asker['client']): Asker {
    const equal = Math.floor(
      this.#limits.maxHeldBytes / (Math.max(1, this.#subscriptions) * shards),
    );
    const creditBytes = Math.max(CLIENT_CREDIT_BYTES_MIN, Math.min(CLIENT_CREDIT_BYTES, equal));
    return this.#asker(creditBytes, client);
  }

  /**
   * Runs a query or a list in its turn.
   *
   * @throws BusError `LIMIT_EXCEEDED` where too many queries of the principal wait or run already
   */
  async query<T>(run: (asker: Asker) => Promise<T>): Promise<T> {
    const account = this.#account;
    const limit = this.#limits.maxQueriesPerPrincipal + QUERIES_WAITING_PER_PRINCIPAL_MAX;
    if (account.asked >= limit) {
      const message = `${account.asked} queries of this principal wait, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit, limitOf: 'principal' } });
    }
    account.asked++;
    try {
      return await this.#queries.run(1, () => run(this.#asker(CLIENT_CREDIT_BYTES)));
    } finally {
      account.asked--;
    }
  }

  /**
   * Runs a pull of a consumer, which may wait for long.
   *
   * @throws BusError `LIMIT_EXCEEDED` where too many pulls of the principal wait already
   */
  async pull<T>(run: () => Promise<T>): Promise<T> {
    const account = this.#account;
    const limit = PULLS_PER_PRINCIPAL_MAX;
    if (account.pulls >= limit) {
      const message = `${limit} pulls of this principal wait, which is the limit`;
      throw refusal(message, { limit, limitOf: 'principal' });
    }
    account.pulls++;
    try {
      return await run();
    } finally {
      account.pulls--;
    }
  }

  /**
   * Counts a subscription with so many patterns.
   *
   * @throws BusError `LIMIT_EXCEEDED`
   */
  subscribe(patterns: number): PlacedSubscription {
    this.#checkSubscriptions();
    this.#checkPatterns(patterns, 0);
    let counted = patterns;
    let hasLeft = false;
    this.#count(1, patterns);
    return {
      update: (changed) => {
        this.#checkPatterns(changed, counted);
        this.#count(0, changed - counted);
        counted = changed;
      },
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        this.#count(-1, -counted);
      },
    };
  }

  #asker(creditBytes: number, client?: Asker['client']): Asker {
    const budget = this;
    const { bytes, work } = this;
    return {
      client,
      creditBytes,
      owner: this.#account.key,
      takesTurns: false,
      sendsOn: true,
      get isGone() {
        return budget.#isClosed;
      },
      readInTurn: async (bytesMax, read) => {
        await work.whenFree();
        return bytes.run(bytesMax, read);
      },
      askInTurn: (ask) =>
        this.#askInTurn(() => {
          if (budget.#isClosed) throw goneError();
          return ask();
        }),
      found: (events, length) => this.#found(events, length),
      hold: (held) => bytes.hold(held),
    };
  }

  async #askInTurn<T>(ask: () => Promise<T>): Promise<T> {
    const { work } = this;
    await work.whenFree();
    return this.#asks.run(1, async () => {
      const began = performance.now();
      try {
        return await ask();
      } finally {
        work.spend(began, 0);
      }
    });
  }

  #found(events: number, bytes: number): void {
    this.work.charge(events * WORK_FOUND_EVENT_MS + (bytes / KIB) * WORK_FOUND_KIB_MS);
  }

  #checkSubscriptions(): void {
    const { maxSubscriptions, maxSubscriptionsPerPrincipal } = this.#limits;
    if (this.#subscriptions >= maxSubscriptions) {
      const message = `this connection has ${maxSubscriptions} subscriptions, which is the limit`;
      throw refusal(message, { maxSubscriptions, limitOf: 'connection' });
    }
    if (this.#account.subscriptions < maxSubscriptionsPerPrincipal) return;
    const message = `this principal has ${maxSubscriptionsPerPrincipal} subscriptions, which is the limit`;
    throw refusal(message, { maxSubscriptionsPerPrincipal, limitOf: 'principal' });
  }

  /** `counted`: patterns that the subscription has already. */
  #checkPatterns(patterns: number, counted: number): void {
    const more = patterns - counted;
    if (more <= 0) return;
    const { maxPatterns, maxPatternsPerPrincipal } = this.#limits;
    const most = Math.min(maxPatterns, maxPatternsPerPrincipal);
    if (patterns > most) {
      const message = `${patterns} patterns are more than any subscription may have here; ${most} is the limit`;
      throw refusal(message, { maxPatterns: most, limitOf: 'filter' });
    }
    if (this.#patterns + more > maxPatterns) {
      const message = `the subscriptions of this connection would have ${this.#patterns + more} patterns; ${maxPatterns} is the limit`;
      throw refusal(message, { maxPatterns, limitOf: 'connection' });
    }
    const all = this.#account.patterns + more;
    if (all <= maxPatternsPerPrincipal) return;
    const message = `the subscriptions of this principal would have ${all} patterns; ${maxPatternsPerPrincipal} is the limit`;
    throw refusal(message, { maxPatternsPerPrincipal, limitOf: 'principal' });
  }

  #count(subscriptions: number, patterns: number): void {
    // `close()` has given all back already.
    if (this.#isClosed) return;
    this.#subscriptions += subscriptions;
    this.#patterns += patterns;
    this.#account.subscriptions += subscriptions;
    this.#account.patterns += patterns;
  }
}

function goneError(): BusError {
  return new BusError('ABORTED', 'nobody waits for the answer any more');
}

function refusal(message: string, details: Readonly<Record<string, unknown>>): BusError {
  return new BusError('LIMIT_EXCEEDED', message, { details });
}

/** How many connections of a principal may have a message that has come in part. */
function turnsOf({ maxFrameBytes }: BudgetLimits): number {
  return Math.max(1, Math.floor(MESSAGE_PARTS_PER_PRINCIPAL_BYTES_MAX / maxFrameBytes));
}
